// kernels.cu for a CPU: the threads of a block take turns, each until it waits for the others.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>
using std::max;
using std::min;

struct Three { unsigned x = 1, y = 1, z = 1; };
static thread_local Three blockIdx, threadIdx, blockDim;
static thread_local ucontext_t *turn, *home;  // of who is at work, and of who gives the turns
struct float4 { float x, y, z, w; };

#define __global__
#define __device__
#define __shared__ static
#define __CPU__ 1

static inline void __syncthreads() {
  const Three where = threadIdx, block = blockIdx;
  if (turn) swapcontext(turn, home);
  threadIdx = where;
  blockIdx = block;
}
static inline int atomicAdd(int* at, int value) { return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST); }
static inline unsigned atomicMax(unsigned* at, unsigned value) {
  unsigned now = __atomic_load_n(at, __ATOMIC_SEQ_CST);
  while (now < value && !__atomic_compare_exchange_n(at, &now, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
  return now;
}
static inline unsigned __float_as_uint(float value) { unsigned bits; memcpy(&bits, &value, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float value; memcpy(&value, &bits, 4); return value; }

static inline float half_to_float(unsigned short half) {
  const unsigned sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31, part = half & 1023;
  float value;
  if (exponent == 0) value = ldexpf((float)part, -24);
  else if (exponent == 31) value = part ? NAN : INFINITY;
  else value = ldexpf((float)(part | 1024), (int)exponent - 25);
  return sign ? -value : value;
}

static inline unsigned short float_to_half(float value) {
  const unsigned sign = (__float_as_uint(value) >> 16) & 0x8000u;
  const float size = fabsf(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent;
  frexpf(size, &exponent);
  const int low = exponent - 11 > -24 ? exponent - 11 : -24;
  const float whole = nearbyintf(ldexpf(size, -low));  // round half to even
  const float rounded = ldexpf(whole, low);
  if (rounded < 6.103515625e-05f) return sign | (unsigned short)ldexpf(rounded, 24);
  frexpf(rounded, &exponent);
  return sign | (unsigned short)(((exponent + 14) << 10) + ((int)ldexpf(rounded, 11 - exponent) - 1024));
}
