// `retrograde doctor` as a user meets it: a file, a program, hints, and the exit codes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "retrograde/data/npz.h"
#include "system/program.h"

namespace retrograde::system_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

enum class Fault { none, sign, not_in_the_catalogue };

// y_t = v h_t, h_t = tanh(w x_t + u h_{t-1}), all of them numbers; half the squared error, summed.
Npz small_case(Fault fault) {
  const double w = 0.7, u = 0.4, v = 0.9;
  const std::vector<double> x = {0.5, -1.1, 0.3, 0.8, -0.2}, y = {0.2, 0.1, -0.4, 0.6, 0.3};
  std::vector<double> h = {0};
  double loss = 0, dw = 0, du = 0, dv = 0, carry = 0;
  for (const double value : x) h.push_back(std::tanh(w * value + u * h.back()));
  for (std::size_t t = x.size(); t-- > 0;) {
    const double e = v * h[t + 1] - y[t], dz = (v * e + carry) * (1 - h[t + 1] * h[t + 1]);
    loss += e * e / 2;
    dv += e * h[t + 1];
    dw += dz * x[t];
    du += dz * h[t];
    carry = dz * u;
  }
  if (fault == Fault::sign) dw = -dw, du = -du, dv = -dv;
  if (fault == Fault::not_in_the_catalogue) dw += 0.3217, du -= 0.1234, dv *= 1.2345;
  const auto matrix = [](double value) { return Array{{1, 1}, {value}, Dtype::float64}; };
  return {.arrays = {{"W", matrix(w)},
                     {"U", matrix(u)},
                     {"V", matrix(v)},
                     {"dW", matrix(dw)},
                     {"dU", matrix(du)},
                     {"dV", matrix(dv)},
                     {"x", {{5, 1}, x}},
                     {"y", {{5, 1}, y}},
                     {"loss", {{}, {loss}}}},
          .texts = {}};
}

class Doctor : public testing::Test {
 protected:
  std::string stored(const Npz& content) const {
    write_npz(folder_ / "case.npz", content);
    return folder_ / "case.npz";
  }
  std::string stored(Fault fault) const { return stored(small_case(fault)); }

  Folder folder_;
};

TEST_F(Doctor, AgreesWithARightGradient) {
  const Outcome outcome = retrograde({"doctor", stored(Fault::none)});
  EXPECT_EQ(outcome.exit, 0);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Elman network"), HasSubstr("agrees")));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Doctor, NamesAWrongOneWithExitThree) {
  const Outcome outcome = retrograde({"doctor", stored(Fault::sign)});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.out, HasSubstr("sign"));
}

TEST_F(Doctor, JsonIsOneObjectWithVerdictAndFindings) {
  const Outcome outcome = retrograde({"doctor", "--json", stored(Fault::sign)});
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report.at("verdict"), "differs");
  EXPECT_EQ(report.at("findings").at(0).at("name"), "sign");
  EXPECT_EQ(outcome.exit, 3);
}

TEST_F(Doctor, DoesNotGuess) {
  const Outcome outcome = retrograde({"doctor", "--json", stored(Fault::not_in_the_catalogue)});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_TRUE(nlohmann::json::parse(outcome.out).at("findings").empty()) << outcome.out;
}

TEST_F(Doctor, CannotTellWhatItDoesNotRecognise) {
  Npz content = small_case(Fault::sign);
  content.arrays["loss"].values[0] *= 1.2345;
  EXPECT_EQ(retrograde({"doctor", stored(content), "--seconds", "0.5"}).exit, 5);
}

TEST_F(Doctor, HintsSayWhatNamesDoNot) {
  Npz content = small_case(Fault::none);
  content.arrays["first"] = content.arrays.extract("dW").mapped();
  content.arrays["second"] = content.arrays.extract("dU").mapped();
  content.arrays["third"] = content.arrays.extract("dV").mapped();
  const std::string path = stored(content);
  EXPECT_EQ(retrograde({"doctor", path, "--hint", "gradient of W=first", "--hint", "second=gradient of U",
                        "--hint", "third=gradient of V", "--hint", "cell=elman"})
                .exit,
            0);
}

TEST_F(Doctor, TextsInTheFileAreHints) {
  Npz content = small_case(Fault::none);
  content.texts = {{"activation", "relu"}};
  EXPECT_EQ(retrograde({"doctor", stored(content), "--seconds", "0.5"}).exit, 5)
      << "a tanh network that is said to be relu";
}

TEST_F(Doctor, WrongHintsAreUsageErrors) {
  const std::string path = stored(Fault::none);
  const Outcome no_array = retrograde({"doctor", path, "--hint", "h0=States"});
  EXPECT_EQ(no_array.exit, 2);
  EXPECT_THAT(no_array.err, AllOf(HasSubstr("no array \"States\""), HasSubstr("W, dU")));
  EXPECT_EQ(retrograde({"doctor", path, "--hint", "nonsense"}).exit, 2);
  EXPECT_EQ(retrograde({"doctor", path, "--hint", "colour=red"}).exit, 2);
  EXPECT_EQ(retrograde({"doctor"}).exit, 2);
}

TEST_F(Doctor, FilesThatCannotBeUsed) {
  EXPECT_EQ(retrograde({"doctor", folder_ / "missing.npz"}).exit, 1);
  EXPECT_EQ(retrograde({"doctor", folder_.write("broken.npz", "no archive")}).exit, 1);
  Npz nothing;
  nothing.arrays["x"] = {{2}, {1, 2}};
  EXPECT_EQ(retrograde({"doctor", stored(nothing)}).exit, 4);
}

// A program in any language: here the shell, which copies a file.
TEST_F(Doctor, AsksAProgram) {
  const std::string program =
      "sh " + folder_.write("answer.sh", "cp '" + stored(Fault::sign) + "' \"$2\"; echo working\n");
  const Outcome outcome = retrograde({"doctor", "--run", program});
  EXPECT_EQ(outcome.exit, 3);
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("sign"), Not(HasSubstr("working"))));
  EXPECT_THAT(outcome.err, HasSubstr("working"));
}

TEST_F(Doctor, SaysWhatIsWrongWithAProgram) {
  const Outcome fails = retrograde({"doctor", "--run", "exit 7;"});
  EXPECT_EQ(fails.exit, 1);
  EXPECT_THAT(fails.err, HasSubstr("exit code 7"));
  const Outcome silent = retrograde({"doctor", "--run", "true"});
  EXPECT_EQ(silent.exit, 1);
  EXPECT_THAT(silent.err, AllOf(HasSubstr("wrote no reply"), HasSubstr("docs/doctor_protocol.md")));
}

// The widest row that a program prints on a terminal of so many columns, a character in a column.
std::size_t widest_row(const std::vector<std::string>& words, unsigned short columns) {
  const winsize size{.ws_row = 40, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    std::vector<char*> argv{const_cast<char*>(RETROGRADE_PROGRAM)};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execv(RETROGRADE_PROGRAM, argv.data());
    _exit(127);
  }
  std::size_t widest = 0, column = 0;
  for (char c; ::read(terminal, &c, 1) == 1;) {
    column = c == '\n' || c == '\r' ? 0 : column + ((static_cast<unsigned char>(c) & 0xc0) != 0x80);
    widest = std::max(widest, column);
  }
  waitpid(child, nullptr, 0);
  close(terminal);
  return widest;
}

TEST_F(Doctor, FitsItsReportToTheTerminal) {
  const std::string story = RETROGRADE_SOURCE_DIR "/examples/story/every_step.npz";
  EXPECT_GT(widest_row({"doctor", story}, 200), 100u);
  EXPECT_LE(widest_row({"doctor", story}, 80), 80u);
}

}  // namespace
}  // namespace retrograde::system_test
