#include "retrograde/kernels/threads.h"

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
  for (int i = 0; i < 2000; ++i) {
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
  // busy with other work parts wait for each other longer than they run. After one such call the next is the
  // caller's alone, after two in a row the next two, after three four, ..., so that a call that was disturbed
  // once costs little, and a machine that stays busy is asked seldom.
  bool run(std::size_t parts, void (*work)(const Share&, void*), void* what) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || process_ != getpid()) return false;
    if (rest_ > 0) return --rest_, false;
    const auto start = Clock::now();
    waited_ = {};
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
    late_ = 2 * waited_ > Clock::now() - start ? std::min(late_ + 1, kMostLate) : 0;
    rest_ = late_ == 0 ? 0 : 1 << (late_ - 1);
    return true;
  }

  void wake() {
    const std::lock_guard lock(mutex_);
    rest_ = late_ = 0;
  }

  static Team& team() {
    static Team team;
    return team;
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kMostLate = 7;

  // Of the caller's own thread: how long it waited.
  template <class F>
  void timed(F wait) {
    const auto start = Clock::now();
    wait();
    waited_ += Clock::now() - start;
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
  Clock::duration waited_{};
  int rest_ = 0, late_ = 0;  // calls to rest; calls in a row in which the parts waited
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
