// The catalogue as a page for people: docs/mistakes.md is this text.
#pragma once

#include <string>

namespace retrograde::doctor {

// Markdown: every mistake by its public name, where it sits, what the code does, and the right line.
std::string catalogue_page();

}  // namespace retrograde::doctor
