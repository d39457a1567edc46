# What `cmake --install` lays down, so that find_package(retrograde) gives the target retrograde::retrograde.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/retrograde")

install(TARGETS retrograde EXPORT retrogradeTargets)
install(EXPORT retrogradeTargets NAMESPACE retrograde:: DESTINATION "${package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/src/retrograde" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h")

# Before 1.0 a minor version may change what headers say.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/retrogradeConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
configure_file("${PROJECT_SOURCE_DIR}/cmake/retrogradeConfig.cmake.in" "${PROJECT_BINARY_DIR}/retrogradeConfig.cmake"
               @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/retrogradeConfig.cmake" "${PROJECT_BINARY_DIR}/retrogradeConfigVersion.cmake"
        DESTINATION "${package_dir}")

if(TARGET retrograde-cli)
  install(TARGETS retrograde-cli)
endif()
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
