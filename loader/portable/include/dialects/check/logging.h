// <metal_logging>.
#pragma once

#include "words.h"

namespace metal {
struct os_log {
  constexpr os_log(const constant char*, const constant char*) constant {}
  template <typename... A>
  void log(const constant char*, A...) const constant {}
  template <typename... A>
  void log_debug(const constant char*, A...) const constant {}
  template <typename... A>
  void log_info(const constant char*, A...) const constant {}
  template <typename... A>
  void log_error(const constant char*, A...) const constant {}
  template <typename... A>
  void log_fault(const constant char*, A...) const constant {}
};
constant os_log os_log_default("", "");
}  // namespace metal
