# Writes a source file that holds the bytes of a file: `std::string_view NAME()` in retrograde::cli.
function(retrograde_embed target name file)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(GENERATE OUTPUT "${source}" CONTENT "#include <string_view>\nnamespace retrograde::cli {\nstd::string_view ${name}() {\n  static constexpr char kBytes[] = {${bytes}};\n  return {kBytes, sizeof kBytes};\n}\n}  // namespace retrograde::cli\n")
  target_sources(${target} PRIVATE "${source}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
endfunction()
