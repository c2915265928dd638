"""Every rule: its id, its reason and the remedy. `python -m tools.lint --rules` prints them."""

from typing import NamedTuple


class Rule(NamedTuple):
    """Rules of `project` apply to kernels of a manifest, the others to any Metal file. Rules of `style` concern code
    that compiles and may be intended; files of no manifest get them with --style."""

    reason: str
    fix: str
    project: bool = False
    style: bool = False


RULES = {
    # Contradictions between manifest and kernel files.
    "manifest": Rule("the loader refuses this manifest", "mend the key or the expression that is named", True),
    "signature": Rule(
        "MLX writes the signature from the manifest, so the one in the file must say the same",
        "give both the same names, order, constness and template constants",
        True,
    ),
    "dtype": Rule(
        "the pointer's type is not the dtype that the manifest declares",
        "change the type, the template constant, or the manifest",
        True,
    ),
    "shape": Rule(
        "readers trust the shape after a parameter, so it must be the manifest's",
        "end each pointer parameter in // [B, L, D] as the manifest says it",
        True,
    ),
    "threads": Rule(
        "a threadgroup larger than the pipeline allows raises at eval on a Mac",
        "launch at most 512 threads a group, and leave max_total_threads_per_threadgroup to MLX",
    ),
    # Parts of C++ that Metal lacks.
    "include": Rule("Metal has no such header", "include <metal_stdlib>, or a helper by its relative path"),
    "syntax": Rule("this does not parse", "see the message"),
    "undeclared": Rule("this name is not declared", "declare it, include it, or mend the spelling"),
    "call": Rule("no function takes these arguments, or several do", "cast the arguments to one type"),
    "type": Rule("the types do not fit", "see the message"),
    "unsupported": Rule("Metal does not have this part of C++", "write it without"),
    "double": Rule("Metal has no double", "use float"),
    "lambda": Rule("Metal before 3.2 has no lambdas", "write a function", style=True),
    "recursion": Rule("Metal has no call stack to recurse on", "write a loop"),
    "program-scope": Rule(
        "a variable outside a function, or static in one, must be constant", "declare it `constant constexpr`"
    ),
    "static-assert": Rule("a condition that the author set does not hold", "meet it, or change it"),
    "compile": Rule("clang refuses this", "see the message"),
    # Address spaces.
    "pointer-space": Rule(
        "every pointer and reference needs an address space", "write device, constant, threadgroup or thread, or auto"
    ),
    "address-space": Rule(
        "a pointer cannot change its address space; MLX passes an input below 8 elements as constant",
        "take pointers as a template parameter, or as auto",
    ),
    "constant-write": Rule("this memory is read-only", "write to an output, or drop const"),
    "threadgroup-scope": Rule(
        "threadgroup memory belongs to the kernel, not to a function it calls",
        "declare it at the top of the kernel and pass a pointer",
    ),
    "threadgroup-value": Rule(
        "threadgroup memory has no initial value: each thread would write it",
        "assign it in one thread, then threadgroup_barrier",
        style=True,
    ),
    "threadgroup-size": Rule("a threadgroup has 32 KiB of memory", "use a smaller tile"),
    "function-pointer": Rule(
        "Metal has pointers to functions in a visible_function_table only",
        "take the function as a template parameter or a functor, or mark it [[visible]] and put it in a table",
    ),
    # A kernel's signature.
    "attribute": Rule(
        "no such attribute exists, or a parameter has it twice", "see chapter 5 of Apple's specification"
    ),
    "attribute-type": Rule(
        "Metal gives this value another type", "declare it as the message says: uint3 for positions, uint for indices"
    ),
    "buffer-index": Rule("each buffer has an index of its own, from 0 to 30", "number the buffers anew"),
    "parameter": Rule(
        "a kernel takes buffers and attributed values only", "make it a pointer or give it its attribute"
    ),
    "kernel-return": Rule("a kernel returns nothing", "declare it void and write to an output"),
    # Numbers.
    "literal": Rule("a float literal without suffix is a double in C++", "write 0.5f, or 0.5h for half", style=True),
    "bfloat-conversion": Rule("only integers convert to bfloat implicitly", "write static_cast<bfloat>(x)"),
    "vector": Rule("a vector takes one scalar, or one value for each component", "give all components"),
    "narrowing": Rule(
        "the value may not fit the type it goes into", "compute in that type, or static_cast", style=True
    ),
    "index-overflow": Rule(
        "this product is computed in 32 bits and widened too late", "cast a factor to long before multiplying"
    ),
    "integer-division": Rule(
        "dividing integers drops the fraction before it becomes a float", "cast an operand", style=True
    ),
    "sign-compare": Rule(
        "a negative number compares as a large unsigned one", "give both sides one signedness", style=True
    ),
    "bounds": Rule("outside of the array, the type or arithmetic", "mend the index, the shift or the divisor"),
    "nan-test": Rule(
        "Metal's fast math, the default, may assume that there is no NaN",
        "test the bits, as_type<uint>(x), or write #pragma METAL fp math_mode(safe)",
    ),
    # Threads.
    "barrier-divergent": Rule(
        "all threads of a group must reach a barrier, and this condition differs between them",
        "move the barrier out of the condition; guard the work instead",
    ),
    "barrier-return": Rule(
        "threads that leave here never reach the barrier below", "keep a bool and guard the work with it"
    ),
    "barrier-missing": Rule(
        "this reads threadgroup memory that another thread wrote",
        "threadgroup_barrier(mem_flags::mem_threadgroup) in between",
    ),
    "threadgroup-unwritten": Rule(
        "threadgroup memory has no initial value, and no thread can have written this before",
        "write it, then threadgroup_barrier, before the read",
    ),
    "simd-return": Rule(
        "a simd operation after threads have left is undefined", "guard the work with a bool instead of returning", True
    ),
    "simd-partial": Rule(
        "threads of a simdgroup that leave here, by a size known at run time, miss the simd operation below",
        "let all threads reach it, those outside with a neutral value",
    ),
    # Code that compiles and is wrong.
    "uninitialised": Rule("this is read before it is written", "give it a value where it is declared"),
    "unused": Rule("nothing uses this", "remove it", style=True),
    "shadow": Rule("this hides another variable of the same name", "rename one of them", style=True),
    "condition": Rule("the condition does not say what was meant", "see the message; == compares"),
    "suspicious": Rule("this has no effect, or not the one it seems to have", "see the message"),
    "unreachable": Rule("this never runs", "remove it", style=True),
    "fallthrough": Rule("control runs into the next case", "break, or [[fallthrough]]", style=True),
    "return": Rule("some path through the function returns no value", "return one at the end"),
    "warning": Rule("clang warns of this", "see the message", style=True),
    # Kernels of this project.
    "mlx-name": Rule(
        "MLX looks for these words in the body, inside longer names too", "rename what contains one", True
    ),
    "derived-pointer": Rule(
        "an input below 8 elements is constant, not device, so this fails to compile for small inputs",
        "const auto p = a + i",
        True,
    ),
    "helper-pointer": Rule(
        "a helper that takes a device pointer cannot take a small input, which is constant",
        "make the pointer's type a template parameter",
        True,
    ),
    "template-constant": Rule(
        "MLX's templates take dtypes, ints and bools only", "make it an int, a bool or a typename", True
    ),
    "threadgroup-top": Rule(
        "engines differ in threadgroup memory of nested scopes", "declare it at the top of the kernel", style=True
    ),
    "simd-float": Rule("only float has simd operations on every engine", "cast to float, and back after", True),
    "precise": Rule(
        "on macOS 15 the bare name is the fast function, whose error near 1 is above what ops promise",
        "write metal::precise:: in front",
        True,
    ),
    "member-function": Rule("Metal 4.1 changes `this` in structs", "write a free function", True),
    "atomic": Rule("atomics make results differ from run to run", "reduce in two passes", True),
    "registers": Rule(
        "an Apple GPU gives a thread 128 registers, 96 in large groups on M1 and M2, and a group 32 KiB; only with "
        "--registers",
        "keep fewer values at once or launch fewer threads; python -m tools.registers counts",
        True,
    ),
    "head": Rule("a kernel file opens with its recurrence in one line of maths", "write it as a comment", True),
    "encoding": Rule("the loader reads UTF-8, and MLX up to the first NUL", "save the file as UTF-8 without it"),
    # About lint itself.
    "file": Rule("this file was not checked, since lint cannot read it", "see the message"),
    "internal": Rule("lint failed, so there may be more to find", "report the file and the message: lint is wrong"),
    "waiver": Rule("a waiver must name a rule with a finding on its line, and a reason", "// lint: allow RULE reason"),
    "format": Rule("shaders have one layout", "python -m tools.lint --fix"),
    "apple": Rule("Apple's own compiler says so", "see the message"),
}
