// os_log: accepted, and silent, since kernels here have nowhere to write.
#pragma once

namespace metal {
enum os_log_type { os_log_type_default, os_log_type_info, os_log_type_debug, os_log_type_error, os_log_type_fault };
struct os_log {
  constexpr os_log(const constant char*, const constant char*) constant {}
#define MSL_LOG(name)      \
  template <typename... A> \
  void name(A...) const constant {}
  MSL_LOG(log)
  MSL_LOG(log_info)
  MSL_LOG(log_debug)
  MSL_LOG(log_error)
  MSL_LOG(log_fault)
#undef MSL_LOG
};
constexpr constant os_log os_log_default("", "");
}  // namespace metal
