# The software bill of materials of a wheel (PEP 770, CycloneDX): what is linked into the program
# beside this project's own code.

file(WRITE ${PROJECT_BINARY_DIR}/versions.cc "#include <nlohmann/json.hpp>\n")
separate_arguments(arguments UNIX_COMMAND "${CMAKE_CXX_COMPILER_ARG1} ${CMAKE_CXX_FLAGS}")
execute_process(
  COMMAND ${CMAKE_CXX_COMPILER} ${arguments} -std=c++20 -E -dM -I ${NLOHMANN_JSON_INCLUDE_DIR}
    ${PROJECT_BINARY_DIR}/versions.cc
  OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)

function(macro_value name)
  string(REGEX MATCH "#define ${name} ([0-9]+)" found "${macros}")
  set(${name} "${CMAKE_MATCH_1}" PARENT_SCOPE)
endfunction()

foreach(name NLOHMANN_JSON_VERSION_MAJOR NLOHMANN_JSON_VERSION_MINOR NLOHMANN_JSON_VERSION_PATCH
    _LIBCPP_VERSION _GLIBCXX_RELEASE)
  macro_value(${name})
endforeach()

set(components "")
set(references "")
function(add_component name version license)
  list(APPEND references "\"${name}\"")
  list(APPEND components "{
      \"type\": \"library\",
      \"bom-ref\": \"${name}\",
      \"name\": \"${name}\",
      \"version\": \"${version}\",
      \"licenses\": [{\"expression\": \"${license}\"}]
    }")
  set(references "${references}" PARENT_SCOPE)
  set(components "${components}" PARENT_SCOPE)
endfunction()

add_component(nlohmann-json
  ${NLOHMANN_JSON_VERSION_MAJOR}.${NLOHMANN_JSON_VERSION_MINOR}.${NLOHMANN_JSON_VERSION_PATCH} MIT)
if(_LIBCPP_VERSION)
  math(EXPR major "${_LIBCPP_VERSION} / 10000")
  math(EXPR minor "${_LIBCPP_VERSION} / 100 % 100")
  math(EXPR patch "${_LIBCPP_VERSION} % 100")
  add_component(libc++ ${major}.${minor}.${patch} "Apache-2.0 WITH LLVM-exception")
elseif(JOBSLOTS_STATIC_RUNTIME)
  add_component(libstdc++ ${_GLIBCXX_RELEASE} "GPL-3.0-or-later WITH GCC-exception-3.1")
endif()
if(JOBSLOTS_MUSL)
  file(STRINGS ${JOBSLOTS_MUSL}/src/internal/version.h version REGEX VERSION)
  string(REGEX MATCH "[0-9.]+" version "${version}")
  add_component(musl ${version} MIT)
  install(FILES ${JOBSLOTS_MUSL}/COPYRIGHT RENAME musl.txt
    DESTINATION ${SKBUILD_METADATA_DIR}/licenses/packaging/licenses COMPONENT wheel EXCLUDE_FROM_ALL)
endif()
list(JOIN components ", " components)
list(JOIN references ", " references)
set(bill ${PROJECT_BINARY_DIR}/jobslots.cdx.json)
configure_file(${CMAKE_CURRENT_LIST_DIR}/bill.cdx.json.in ${bill} @ONLY)
install(FILES ${bill} DESTINATION ${SKBUILD_METADATA_DIR}/sboms COMPONENT wheel EXCLUDE_FROM_ALL)
