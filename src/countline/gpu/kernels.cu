// What runs on the GPU between decoder, network and tracker. Compiled at start (NVRTC) with PIXEL (0: uint8, 1: float16,
// 2: float32, of the network's input) and SCORE (1, 2: of its outputs) set; needs no header of the CUDA toolkit.
//
// tests/gpu/reference.py says the same in NumPy, and the tests compare the two.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned long long u64;

#ifdef __CUDACC_RTC__
__device__ inline float half_to_float(u16 bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}

__device__ inline u16 float_to_half(float value) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
  return bits;
}
#endif  // else whoever compiles it for a CPU (tests/gpu) brings both

#if PIXEL == 0
typedef u8 Pixel;
__device__ inline Pixel to_pixel(float value) { return (u8)fminf(fmaxf(rintf(value), 0.0f), 255.0f); }
#elif PIXEL == 1
typedef u16 Pixel;
__device__ inline Pixel to_pixel(float value) { return float_to_half(value); }
#else
typedef float Pixel;
__device__ inline Pixel to_pixel(float value) { return value; }
#endif

#if SCORE == 1
typedef u16 Score;
__device__ inline float number(Score value) { return half_to_float(value); }
#else
typedef float Score;
__device__ inline float number(Score value) { return value; }
#endif

// A picture as it lies in memory; countline/gpu/structs.py has the same as a NumPy type.
struct Picture {
  u64 luma, chroma;           // addresses; of a BGR picture of the input's size the first alone
  int pitch, chroma_pitch;    // bytes from row to row
  int width, height;          // as the decoder gives it, not turned
  int wide, high;             // pixels of the input that it fills, upright
  float across, down;         // pixels of the picture for one of the input, in the decoder's directions
  float half_across, half_down;  // half widths of the filter, in pixels of the picture
  int flags;                  // 1 transposed, 2 columns reversed, 4 rows reversed, 8 16 bits, 16 BGR
  float offset, gain;         // of the luma
  float red_v, green_u, green_v, blue_u;
  int unused;
};

template <typename Sample>
__device__ inline float tap(const u8* base, int pitch, int row, int column, int step, int part) {
  return (float)((const Sample*)(base + (long long)row * pitch))[column * step + part];
}

// Mean of a plane around (x, y) with weights that fall to 0 at the half widths (a triangle), as libswscale's bilinear scaler
// when it shrinks; beyond the border the border's own sample.
template <typename Sample, int STEP>
__device__ inline void sample(const u8* base, int pitch, int width, int height, float x, float y, float hx, float hy,
                              float& first, float& second) {
  hx = fmaxf(hx, 1.0f);
  hy = fmaxf(hy, 1.0f);
  const int left = (int)ceilf(x - hx), right = (int)floorf(x + hx);
  const int top = (int)ceilf(y - hy), bottom = (int)floorf(y + hy);
  const float ix = 1.0f / hx, iy = 1.0f / hy;
  float sum = 0.0f, one = 0.0f, two = 0.0f;
  for (int row = top; row <= bottom; ++row) {
    const float wy = 1.0f - fabsf((float)row - y) * iy;
    const int r = min(max(row, 0), height - 1);
    for (int column = left; column <= right; ++column) {
      const float weight = wy * (1.0f - fabsf((float)column - x) * ix);
      const int c = min(max(column, 0), width - 1);
      sum += weight;
      one += weight * tap<Sample>(base, pitch, r, c, STEP, 0);
      if (STEP == 2) two += weight * tap<Sample>(base, pitch, r, c, STEP, 1);
    }
  }
  first = one / sum;
  second = two / sum;
}

template <typename Sample>
__device__ inline void read_yuv(const Picture& p, float x, float y, float scale, float& luma, float& u, float& v) {
  float unused;
  sample<Sample, 1>((const u8*)p.luma, p.pitch, p.width, p.height, (x + 0.5f) * p.across - 0.5f, (y + 0.5f) * p.down - 0.5f,
                    p.half_across, p.half_down, luma, unused);
  sample<Sample, 2>((const u8*)p.chroma, p.chroma_pitch, (p.width + 1) / 2, (p.height + 1) / 2,
                    (x + 0.5f) * p.across * 0.5f - 0.5f, (y + 0.5f) * p.down * 0.5f - 0.5f, p.half_across * 0.5f,
                    p.half_down * 0.5f, u, v);
  luma *= scale;
  u *= scale;
  v *= scale;
}

// NV12 or P016 (or a BGR picture of the input's size) -> the network's input, upright, top left, padded right and below.
// gains, shifts: of blue, green, red.
extern "C" __global__ void letterbox(const Picture* pictures, Pixel* input, int width, int height, int planes, int rgb, float pad,
                                     float gain_b, float gain_g, float gain_r, float shift_b, float shift_g, float shift_r) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y;
  if (column >= width || row >= height) return;
  const Picture p = pictures[blockIdx.z];
  float b = pad, g = pad, r = pad;
  if (column < p.wide && row < p.high) {
    if (p.flags & 16) {
      const u8* at = (const u8*)p.luma + (long long)row * p.pitch + column * 3;
      b = at[0];
      g = at[1];
      r = at[2];
    } else {
      // From the upright picture back to the decoder's: reversed, then transposed.
      const int uc = (p.flags & 2) ? p.wide - 1 - column : column, ur = (p.flags & 4) ? p.high - 1 - row : row;
      const float x = (p.flags & 1) ? ur : uc, y = (p.flags & 1) ? uc : ur;
      float luma, u, v;
      if (p.flags & 8)
        read_yuv<u16>(p, x, y, 1.0f / 256.0f, luma, u, v);
      else
        read_yuv<u8>(p, x, y, 1.0f, luma, u, v);
      luma = (luma - p.offset) * p.gain;
      u -= 128.0f;
      v -= 128.0f;
      r = fminf(fmaxf(rintf(luma + p.red_v * v), 0.0f), 255.0f);
      g = fminf(fmaxf(rintf(luma - p.green_u * u - p.green_v * v), 0.0f), 255.0f);
      b = fminf(fmaxf(rintf(luma + p.blue_u * u), 0.0f), 255.0f);
    }
  }
  b = b * gain_b + shift_b;
  g = g * gain_g + shift_g;
  r = r * gain_r + shift_r;
  const float first = rgb ? r : b, last = rgb ? b : r;
  const long long frame = (long long)blockIdx.z * width * height * 3, at = (long long)row * width + column;
  if (planes) {
    const long long plane = (long long)width * height;
    input[frame + at] = to_pixel(first);
    input[frame + plane + at] = to_pixel(g);
    input[frame + 2 * plane + at] = to_pixel(last);
  } else {
    input[frame + at * 3] = to_pixel(first);
    input[frame + at * 3 + 1] = to_pixel(g);
    input[frame + at * 3 + 2] = to_pixel(last);
  }
}

// Strides in elements of the frame, the class (or number of a box) and the cell.
struct Table {
  u64 base;
  long long frame, channel, cell;
};

// The cells in which some class reaches its floor: key (confidence, then the lower cell first) and class.
// rows, starts: the network's classes by output class. found: by frame, how many. strongest: bits of the highest confidence.
extern "C" __global__ void candidates(const Table* table, int cells, long long objectness, int sigmoid, const int* rows,
                                      const int* starts, const float* floors, int classes, u64* keys, int* kinds, int* found,
                                      unsigned* strongest) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x, frame = blockIdx.y;
  if (cell >= cells) return;
  const Table scores = *table;
  const Score* at = (const Score*)scores.base + frame * scores.frame + cell * scores.cell;
  const float presence = objectness < 0 ? 1.0f : number(at[objectness]);
  float best_ratio = -1.0f, confidence = 0.0f;
  int best = -1;
  bool any = false;
  for (int k = 0; k < classes; ++k) {
    float score = -1.0f;
    for (int i = starts[k]; i < starts[k + 1]; ++i) {
      float value = number(at[rows[i] * scores.channel]);
      if (sigmoid) value = 1.0f / (1.0f + expf(-value));
      score = fmaxf(score, value * presence);
    }
    any = any || score >= floors[k];
    const float ratio = score / floors[k];
    if (ratio > best_ratio) {
      best_ratio = ratio;
      best = k;
      confidence = score;
    }
  }
  if (!any) return;
  const unsigned bits = __float_as_uint(confidence);
  const int place = atomicAdd(found + frame, 1);
  keys[(long long)frame * cells + place] = ((u64)bits << 32) | (0xFFFFFFFFu - (unsigned)cell);
  kinds[(long long)frame * cells + cell] = best;
  atomicMax(strongest + frame, bits);
}

// How the boxes of a layout are read: 0 distances as distributions (NanoDet), 1 centre and sides in pixels, 2 the same within
// the grid (YOLOX), 3 centre and sides in parts of the picture, 4 corners in pixels, 5 corners in parts of the picture.
struct Boxes {
  Table table;
  int kind, bins, levels, cells;
  int begins[6], columns[6], steps[6];
  float width, height;  // of the input
};

__device__ inline void read_box(const Boxes& boxes, int frame, int cell, float* box) {
  const Score* at = (const Score*)boxes.table.base + frame * boxes.table.frame + cell * boxes.table.cell;
  const long long channel = boxes.table.channel;
  float x = 0.0f, y = 0.0f, step = 1.0f;
  if (boxes.kind == 0 || boxes.kind == 2) {
    int level = 0;
    while (level + 1 < boxes.levels && cell >= boxes.begins[level + 1]) ++level;
    const int own = cell - boxes.begins[level];
    step = (float)boxes.steps[level];
    x = (float)(own % boxes.columns[level]);
    y = (float)(own / boxes.columns[level]);
  }
  if (boxes.kind == 0) {
    float side[4];
    for (int i = 0; i < 4; ++i) {
      float highest = -1e30f, sum = 0.0f, mean = 0.0f;
      for (int bin = 0; bin < boxes.bins; ++bin) highest = fmaxf(highest, number(at[(i * boxes.bins + bin) * channel]));
      for (int bin = 0; bin < boxes.bins; ++bin) {
        const float weight = expf(number(at[(i * boxes.bins + bin) * channel]) - highest);
        sum += weight;
        mean += weight * bin;
      }
      side[i] = mean / sum * step;
    }
    x = (x + 0.5f) * step;
    y = (y + 0.5f) * step;
    box[0] = x - side[0];
    box[1] = y - side[1];
    box[2] = x + side[2];
    box[3] = y + side[3];
    return;
  }
  float a = number(at[0]), b = number(at[channel]), c = number(at[2 * channel]), d = number(at[3 * channel]);
  if (boxes.kind == 2) {
    a = (a + x) * step;
    b = (b + y) * step;
    c = expf(c) * step;
    d = expf(d) * step;
  }
  if (boxes.kind == 3 || boxes.kind == 5) {
    a *= boxes.width;
    b *= boxes.height;
    c *= boxes.width;
    d *= boxes.height;
  }
  const bool corners = boxes.kind >= 4;
  box[0] = corners ? a : a - c * 0.5f;
  box[1] = corners ? b : b - d * 0.5f;
  box[2] = corners ? c : a + c * 0.5f;
  box[3] = corners ? d : b + d * 0.5f;
}

#ifndef MOST
#define MOST 1024
#define WANTED 1000
#endif
#define KEPT 300

__device__ inline float overlap(const float4 a, const float4 b) {
  const float wide = fmaxf(fminf(a.z, b.z) - fmaxf(a.x, b.x), 0.0f), high = fmaxf(fminf(a.w, b.w) - fmaxf(a.y, b.y), 0.0f);
  const float shared = wide * high, both = (a.z - a.x) * (a.w - a.y) + (b.z - b.x) * (b.w - b.y) - shared;
  return both > 0.0f ? shared / both : 0.0f;
}

// One block of MOST threads for each frame: the strongest WANTED candidates, their boxes in pixels of the picture and clipped to
// it, suppression within each class, the first KEPT. views: by frame, scale across and down, width and height of the picture.
// result: by frame KEPT rows of left, top, right, bottom, confidence, class, cell, 0; counts: how many of them.
extern "C" __global__ void choose(const Boxes* layout, const float4* views, float iou, const u64* keys, const int* kinds, const int* found,
                                  float* result, int* counts) {
  __shared__ u64 order[MOST];
  __shared__ float4 corners[MOST];
  __shared__ int kind[MOST];
  __shared__ int alive[MOST];
  __shared__ int total;
  __shared__ u64 threshold;
  const Boxes& boxes = *layout;
  const int frame = blockIdx.x, thread = threadIdx.x;
  const u64* own = keys + (long long)frame * boxes.cells;
  const int all = found[frame];
  if (thread == 0) {
    total = 0;
    threshold = 0;
  }
  __syncthreads();
  if (all > WANTED) {  // the WANTED-th largest key, bit by bit; keys differ
    for (int bit = 63; bit >= 0; --bit) {
      const u64 trial = threshold | (1ull << bit);
      int above = 0;
      for (int i = thread; i < all; i += MOST) above += own[i] >= trial;
      atomicAdd(&total, above);
      __syncthreads();
      if (thread == 0) {
        if (total >= WANTED) threshold = trial;
        total = 0;
      }
      __syncthreads();
    }
  }
  order[thread] = 0;
  __syncthreads();
  for (int i = thread; i < all; i += MOST)
    if (own[i] >= threshold) order[atomicAdd(&total, 1)] = own[i];
  __syncthreads();
  const int number_of = total;
  int size = 2;
  while (size < number_of) size *= 2;
  for (int width = 2; width <= size; width *= 2) {  // bitonic, strongest first
    for (int gap = width / 2; gap > 0; gap /= 2) {
      const int other = thread ^ gap;
      if (thread < size && other > thread) {
        const u64 a = order[thread], b = order[other];
        if (((thread & width) == 0) == (a < b)) {
          order[thread] = b;
          order[other] = a;
        }
      }
      __syncthreads();
    }
  }
  int lives = 0;
  if (thread < number_of) {
    const int cell = (int)(0xFFFFFFFFu - (unsigned)(order[thread] & 0xFFFFFFFFu));
    const float4 view = views[frame];
    float box[4];
    read_box(boxes, frame, cell, box);
    float4 c;
    c.x = fminf(fmaxf(box[0] / view.x, 0.0f), view.z);
    c.y = fminf(fmaxf(box[1] / view.y, 0.0f), view.w);
    c.z = fminf(fmaxf(box[2] / view.x, 0.0f), view.z);
    c.w = fminf(fmaxf(box[3] / view.y, 0.0f), view.w);
    corners[thread] = c;
    kind[thread] = kinds[(long long)frame * boxes.cells + cell];
    lives = box[0] == box[0] && box[1] == box[1] && box[2] == box[2] && box[3] == box[3] && c.z > c.x && c.w > c.y;
  }
  alive[thread] = lives;
  __syncthreads();
  for (int i = 0; i < number_of; ++i) {
    if (!alive[i]) continue;  // the same for all threads
    if (thread > i && thread < number_of && alive[thread] && kind[thread] == kind[i] && overlap(corners[i], corners[thread]) > iou)
      alive[thread] = 0;
    __syncthreads();
  }
  if (thread == 0) {
    int kept = 0;
    for (int i = 0; i < number_of && kept < KEPT; ++i) {
      if (!alive[i]) continue;
      order[kept] = order[i];
      corners[kept] = corners[i];
      kind[kept++] = kind[i];
    }
    total = kept;
    counts[frame] = kept;
  }
  __syncthreads();
  if (thread < total) {
    float* row = result + ((long long)frame * KEPT + thread) * 8;
    const unsigned cell = 0xFFFFFFFFu - (unsigned)(order[thread] & 0xFFFFFFFFu);
    const float4 c = corners[thread];
    row[0] = c.x;
    row[1] = c.y;
    row[2] = c.z;
    row[3] = c.w;
    row[4] = __uint_as_float((unsigned)(order[thread] >> 32));
    row[5] = (float)kind[thread];
    row[6] = (float)cell;
    row[7] = 0.0f;
  }
}
