// Files damaged in every way that disks, networks and editors know: cut off, bits flipped, bytes inserted,
// removed, overwritten and repeated. The same seed damages alike.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "retrograde/base/error.h"
#include "retrograde/base/random.h"

namespace retrograde::testing {

constexpr int kDamages = 1000;

inline std::string damaged(std::string bytes, Random& random) {
  const auto anywhere = [&] { return random.below(bytes.size() + 1); };
  const auto some = [&] { return 1 + random.below(random.below(4) == 0 ? 64 : 4); };
  for (std::size_t times = 1 + random.below(3); times > 0 && !bytes.empty(); --times) {
    const std::size_t at = random.below(bytes.size());
    const std::size_t n = std::min(some(), bytes.size() - at);
    switch (random.below(7)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ 1 << random.below(8));
        break;
      case 2:
        bytes.insert(at, std::string(n, static_cast<char>(random.below(256))));
        break;
      case 3:
        bytes.erase(at, n);
        break;
      case 4:
        std::generate_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), n,
                        [&] { return static_cast<char>(random.below(256)); });
        break;
      case 5:
        bytes.insert(anywhere(), bytes.substr(at, n));
        break;
      default:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), n, random.below(2) == 0 ? '\0' : '\xff');
    }
  }
  return bytes;
}

// Reads a thousand damaged copies. What is thrown must be one of the library's errors and speak of `file`.
// Gives the number of errors.
template <class Read>
int errors_of(const std::string& bytes, std::uint64_t seed, std::string_view file, Read read) {
  Random random(seed);
  int errors = 0;
  for (int i = 0; i < kDamages; ++i) {
    const std::string copy = damaged(bytes, random);
    if (copy == bytes) continue;
    try {
      read(copy);
    } catch (const Error& error) {
      ++errors;
      EXPECT_NE(std::string_view(error.what()).find(file), std::string_view::npos) << error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "damage " << i << ": " << error.what();
    }
  }
  return errors;
}

}  // namespace retrograde::testing
