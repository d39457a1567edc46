// A run's report: one HTML page with the losses as an inline picture and a table of the epochs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "retrograde/base/json.h"

namespace retrograde {

std::string report_html(std::string_view title, const Json& config, const std::vector<Json>& epochs);

}  // namespace retrograde
