// os_log: accepted, and silent, since a kernel on this backend has nowhere to write.
#pragma once

#include "keywords.h"

namespace metal {
enum os_log_type { os_log_type_default, os_log_type_info, os_log_type_debug, os_log_type_error, os_log_type_fault };
struct os_log {
  template <typename... A>
  void log(A...) const constant {}
  template <typename... A>
  void log_info(A...) const constant {}
  template <typename... A>
  void log_debug(A...) const constant {}
  template <typename... A>
  void log_error(A...) const constant {}
  template <typename... A>
  void log_fault(A...) const constant {}
};
constexpr constant os_log os_log_default{};
}  // namespace metal
