# Every target links build_flags; nothing is set globally except the C standard.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

option(DEPLOYD_WERROR "Treat warnings as errors" OFF)
option(DEPLOYD_FUZZ "Build the fuzz targets with libFuzzer (clang only)" OFF)
option(DEPLOYD_CERTIFICATION "Serve org.varlink.certification (test builds only)" OFF)
option(DEPLOYD_COVERAGE "Count which lines run, for tests/coverage (clang only)" OFF)
set(DEPLOYD_SANITIZE "" CACHE STRING "Sanitizers, e.g. address,undefined")
set(DEPLOYD_BREAK "" CACHE STRING "Break one safety property on purpose; a test must catch it")

add_library(build_flags INTERFACE)
target_compile_definitions(build_flags INTERFACE _GNU_SOURCE)
target_include_directories(build_flags INTERFACE
	${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/generated)
target_compile_options(build_flags INTERFACE
	-Wall -Wextra -Wshadow -Wvla -Wundef -Wstrict-prototypes -Wmissing-prototypes
	-Wswitch-enum -Wformat=2 -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough
	$<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> # a message may be cut to its bound
	-Werror=attributes -Werror=implicit-function-declaration
	-fno-strict-aliasing # libuv's handle casts
	-fstack-protector-strong
	$<$<C_COMPILER_ID:GNU>:-fstack-clash-protection>
	$<$<BOOL:${DEPLOYD_WERROR}>:-Werror>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
	target_compile_options(build_flags INTERFACE -fcf-protection)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT DEPLOYD_SANITIZE)
	target_compile_options(build_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(build_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack
	-Wl,--as-needed)
if(DEPLOYD_SANITIZE)
	target_compile_options(build_flags INTERFACE -fsanitize=${DEPLOYD_SANITIZE}
		-fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_link_options(build_flags INTERFACE -fsanitize=${DEPLOYD_SANITIZE})
endif()
if(DEPLOYD_COVERAGE)
	# %c: a process's counters are a mapping of a file that it opens before main(). It
	# loses none by _exit(), SIGKILL, chroot or a system call filter.
	target_compile_options(build_flags INTERFACE -fcoverage-mapping
		-fprofile-instr-generate=${PROJECT_BINARY_DIR}/profiles/%c%p-%m.profraw
		"SHELL:-mllvm -runtime-counter-relocation")
	target_link_options(build_flags INTERFACE -fprofile-instr-generate
		-Wl,--build-id=sha1) # names the program in what its processes write
endif()
if(DEPLOYD_FUZZ)
	target_compile_options(build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(DEPLOYD_BREAK)
	string(TOUPPER "BREAK_${DEPLOYD_BREAK}" break_macro)
	string(REPLACE "-" "_" break_macro ${break_macro})
	target_compile_definitions(build_flags INTERFACE ${break_macro}=1)
endif()

include(CheckPIESupported)
check_pie_supported()

# assert() states invariants of a program that runs as root: it stays on in release builds.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
