# Our own targets are built with these; consumers of the library never see them.
function(retrograde_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow)
endfunction()
