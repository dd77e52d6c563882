#include <functional>
#include <mutex>

#include "on_cpu.h"
#include "kernels.cu"

static std::function<void(unsigned)> current;
static std::vector<char> finished;

static void enter(unsigned i) {
  current(i);
  finished[i] = 1;
  swapcontext(turn, home);
}

// All threads of a block: each goes on in its turn from one barrier to the next.
template <typename One>
static void together(unsigned count, One one) {
  constexpr size_t STACK = 64 * 1024;
  static std::vector<char> stacks;
  static std::vector<ucontext_t> contexts;
  stacks.resize(count * STACK);
  contexts.resize(count);
  finished.assign(count, 0);
  current = [&](unsigned i) { one(i, 0); };
  ucontext_t back;
  home = &back;
  for (unsigned i = 0; i < count; ++i) {
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = &stacks[i * STACK];
    contexts[i].uc_stack.ss_size = STACK;
    contexts[i].uc_link = &back;
    makecontext(&contexts[i], (void (*)())enter, 1, i);
  }
  for (bool left = true; left;) {
    left = false;
    for (unsigned i = 0; i < count; ++i) {
      if (finished[i]) continue;
      left = true;
      turn = &contexts[i];
      swapcontext(home, turn);
    }
  }
  turn = nullptr;
}

template <typename Work>
static void each(const unsigned* grid, const unsigned* block, bool apart, Work work) {
  for (unsigned z = 0; z < grid[2]; ++z)
    for (unsigned y = 0; y < grid[1]; ++y)
      for (unsigned x = 0; x < grid[0]; ++x) {
        auto one = [&](unsigned i, unsigned j) {
          blockIdx = {x, y, z};
          threadIdx = {i, j, 0};
          blockDim = {block[0], block[1], 1};
          work();
        };
        if (!apart) {
          for (unsigned j = 0; j < block[1]; ++j)
            for (unsigned i = 0; i < block[0]; ++i) one(i, j);
          continue;
        }
        together(block[0], one);
      }
}

extern "C" {
void run_letterbox(const unsigned* grid, const unsigned* block, uint64_t pictures, uint64_t input, int width, int height, int planes,
                   int rgb, float pad, float gb, float gg, float gr, float sb, float sg, float sr) {
  each(grid, block, false, [&] {
    letterbox((const Picture*)pictures, (Pixel*)input, width, height, planes, rgb, pad, gb, gg, gr, sb, sg, sr);
  });
}
void run_candidates(const unsigned* grid, const unsigned* block, uint64_t table, int cells, int64_t objectness, int sigmoid,
                    uint64_t rows, uint64_t starts, uint64_t floors, int classes, uint64_t keys, uint64_t kinds, uint64_t found,
                    uint64_t strongest) {
  each(grid, block, false, [&] {
    candidates((const Table*)table, cells, objectness, sigmoid, (const int*)rows, (const int*)starts, (const float*)floors, classes,
               (u64*)keys, (int*)kinds, (int*)found, (unsigned*)strongest);
  });
}
void run_choose(const unsigned* grid, const unsigned* block, uint64_t layout, uint64_t views, float iou, uint64_t keys,
                uint64_t kinds, uint64_t found, uint64_t result, uint64_t counts) {
  static std::mutex one;  // __shared__ is static here
  const std::lock_guard<std::mutex> guard(one);
  const unsigned threads[3] = {MOST, 1, 1};
  each(grid, threads, true, [&] {
    choose((const Boxes*)layout, (const float4*)views, iou, (const u64*)keys, (const int*)kinds, (const int*)found, (float*)result,
           (int*)counts);
  });
}
}
