#include "retrograde/base/threads.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "retrograde/base/error.h"

namespace retrograde {
namespace {

// Waits for `value` to leave `old`: a while awake, since the next piece of work mostly follows at once.
void wait_for_change(const std::atomic<std::size_t>& value, std::size_t old) {
  for (int i = 0; i < 10000; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
  }
  value.wait(old, std::memory_order_acquire);
}

class Team {
 public:
  ~Team() {
    stopping_ = true;
    call_.fetch_add(1, std::memory_order_release);
    call_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  // False if the team is another caller's, stayed behind in a parent process, or rests: on a machine that is
  // busy with other work parts wait for each other longer than they run. That is judged over some
  // milliseconds of calls, for the first of them may have to wake the others. Then the calls are the caller's
  // alone, for as long, and for twice as long each time that it happens again.
  bool run(std::size_t parts, void (*work)(const Share&, void*), void* what) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || process_ != getpid()) return false;
    const auto start = Clock::now();
    if (start < rest_until_) return false;
    while (workers_.size() + 1 < parts) {
      const std::size_t index = workers_.size() + 1;
      workers_.emplace_back([this, index, seen = call_.load()] { serve(index, seen); });
    }
    work_ = work, what_ = what, parts_ = parts;
    done_.store(0, std::memory_order_relaxed);
    call_.fetch_add(1, std::memory_order_release);
    call_.notify_all();
    work({0, parts, [] { team().timed([] { team().meet(); }); }}, what);
    timed([this] {
      for (std::size_t done; (done = done_.load(std::memory_order_acquire)) != workers_.size();)
        wait_for_change(done_, done);
    });
    judge(Clock::now(), start);
    return true;
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    rest_until_ = {};
    late_ = 0;
    ran_ = waited_ = {};
  }

  static Team& team() {
    static Team team;
    return team;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kJudged = std::chrono::milliseconds(4);
  static constexpr int kMostLate = 6;  // then it rests for 64 times as long

  // Of the caller's own thread: how long it waited.
  template <class F>
  void timed(F wait) {
    const auto start = Clock::now();
    wait();
    waited_ += Clock::now() - start;
  }

  void judge(Clock::time_point now, Clock::time_point start) {
    ran_ += now - start;
    if (ran_ < kJudged) return;
    late_ = 2 * waited_ > ran_ ? std::min(late_ + 1, kMostLate) : 0;
    if (late_ > 0) rest_until_ = now + kJudged * (1 << late_);
    ran_ = waited_ = {};
  }

  void serve(std::size_t index, std::size_t seen) {
    for (;; ++seen) {
      wait_for_change(call_, seen);
      if (stopping_) return;
      if (index < parts_) work_({index, parts_, [] { team().meet(); }}, what_);
      done_.fetch_add(1, std::memory_order_acq_rel);
      done_.notify_one();
    }
  }

  void meet() {
    const std::size_t meeting = meetings_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < parts_)
      return wait_for_change(meetings_, meeting);
    arrived_.store(0, std::memory_order_relaxed);
    meetings_.fetch_add(1, std::memory_order_release);
    meetings_.notify_all();
  }

  std::mutex mutex_;
  const pid_t process_ = getpid();
  std::vector<std::thread> workers_;
  std::atomic<std::size_t> call_ = 0, done_ = 0, arrived_ = 0, meetings_ = 0;
  std::atomic<bool> stopping_ = false;
  void (*work_)(const Share&, void*) = nullptr;
  void* what_ = nullptr;
  std::size_t parts_ = 0;
  Clock::duration ran_{}, waited_{};  // of the caller's thread, since it was judged
  Clock::time_point rest_until_{};
  int late_ = 0;  // judgements in a row that the parts waited
};

std::size_t from_environment() {
  const char* const text = std::getenv("RETROGRADE_THREADS");
  if (!text || !*text) return std::max(1u, std::thread::hardware_concurrency());
  const std::string_view view(text);
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), count);
  if (error != std::errc() || end != view.data() + view.size() || count == 0)
    throw UsageError("RETROGRADE_THREADS is \"{}\"; it must be a number of threads, 1 or more", view);
  return count;
}

std::atomic<std::size_t> wanted = 0;

}  // namespace

std::size_t threads() {
  if (const std::size_t count = wanted) return count;
  static const std::size_t count = from_environment();
  return count;
}

void set_threads(std::size_t count) {
  wanted = count;
  Team::team().wake();
}

void in_parts(std::size_t parts, void (*run)(const Share&, void*), void* what) {
  if (!Team::team().run(parts, run, what)) run(Share{}, what);
}

}  // namespace retrograde
