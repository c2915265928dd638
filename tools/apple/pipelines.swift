// Builds a compute pipeline of every kernel in the Metal files named as arguments, as MLX does, and prints one line of
// JSON for each: how many threads a group of it may have, and what threadgroup memory it takes.
import Foundation
import Metal

func say(_ line: [String: Any]) {
  let data = try! JSONSerialization.data(withJSONObject: line, options: [.sortedKeys])
  print(String(data: data, encoding: .utf8)!)
}

guard let device = MTLCreateSystemDefaultDevice() else {
  FileHandle.standardError.write("there is no Metal device\n".data(using: .utf8)!)
  exit(1)
}
let options = MTLCompileOptions()
if #available(macOS 15.0, *) {
  options.mathMode = .safe
} else {
  options.fastMathEnabled = false
}
for path in CommandLine.arguments.dropFirst() {
  do {
    let source = try String(contentsOfFile: path, encoding: .utf8)
    let library = try device.makeLibrary(source: source, options: options)
    for name in library.functionNames.sorted() {
      let start = Date()
      do {
        let pipeline = try device.makeComputePipelineState(function: library.makeFunction(name: name)!)
        say([
          "file": path,
          "kernel": name,
          "most_threads": pipeline.maxTotalThreadsPerThreadgroup,
          "simdgroup": pipeline.threadExecutionWidth,
          "threadgroup_bytes": pipeline.staticThreadgroupMemoryLength,
          "seconds": Date().timeIntervalSince(start),
        ])
      } catch {
        say(["file": path, "kernel": name, "error": "\(error)"])
      }
    }
  } catch {
    say(["file": path, "error": "\(error)"])
  }
}
