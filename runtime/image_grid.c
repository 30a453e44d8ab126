/* Samples as a picture: a grid of images, or a scatter plot of points in the plane; written as PNG.
   Takes row-major values, the shape of one sample and the range that they span; returns a file, or a Problem that says
   which format would do. Never invents a picture for shapes that are none. Values outside the range are clamped, NaN is
   shown as the lowest. */
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

enum { GAP = 2, GAP_SHADE = 64, SMALL = 64 };

typedef struct Canvas {
  int64_t width, height, channels;
  uint8_t *pixels;
} Canvas;

static bool canvas_create(Canvas *canvas, int64_t width, int64_t height, int64_t channels, uint8_t shade,
                          const char *path, Problem *problem) {
  *canvas = (Canvas){width, height, channels, NULL};
  if (width > SIDE_LIMIT || height > SIDE_LIMIT)
    return problem_set(problem, "%s would be a picture of %lld by %lld pixels; take fewer samples, or write .npy", path,
                       (long long)width, (long long)height);
  canvas->pixels = system_allocate((size_t)(width * height * channels));
  if (!canvas->pixels) return problem_out_of_memory(problem, path, (size_t)(width * height * channels));
  memset(canvas->pixels, shade, (size_t)(width * height * channels));
  return true;
}

static bool canvas_write(const Canvas *canvas, const char *path, Problem *problem) {
  png_image image = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)canvas->width,
                     .height = (png_uint_32)canvas->height,
                     .format = canvas->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  uint8_t *bytes = system_allocate(size);
  if (!bytes) return problem_out_of_memory(problem, path, size);
  bool fine = png_image_write_to_memory(&image, bytes, &size, 0, canvas->pixels, 0, NULL) ||
              problem_set(problem, "cannot write %s: %s", path, image.message);
  fine = fine && file_replace(path, bytes, size, problem);
  png_image_free(&image);
  free(bytes);
  return fine;
}

/* ---- grids ------------------------------------------------------------------------------------------------------- */

/* Channels, height, width of a sample that is an image; 0 channels: it is none. Small images are drawn with `scale` x
   `scale` dots a pixel, to be seen. */
typedef struct Tile {
  int64_t channels, height, width, scale;
} Tile;

static Tile tile_of(int64_t rank, const int64_t *shape) {
  if (rank != 2 && (rank != 3 || (shape[0] != 1 && shape[0] != 3))) return (Tile){0};
  Tile tile = {rank == 2 ? 1 : shape[0], shape[rank - 2], shape[rank - 1], 1};
  if (tile.height <= SMALL && tile.width <= SMALL) tile.scale = 2;
  return tile;
}

static bool is_point(int64_t rank, const int64_t *shape) { return rank == 1 && shape[0] == 2; }

bool picture_possible(int64_t rank, const int64_t *shape) {
  return is_point(rank, shape) || tile_of(rank, shape).channels > 0;
}

static uint8_t shade_of(float value, double low, double high) {
  double share = (value - low) / (high - low);
  return share > 0 ? (uint8_t)(share < 1 ? share * 255 + 0.5 : 255) : 0; /* NaN is not above 0 */
}

static void draw_tile(const Canvas *canvas, const Tile *tile, const float *values, int64_t left, int64_t top,
                      double low, double high) {
  for (int64_t c = 0; c < tile->channels; c++)
    for (int64_t y = 0; y < tile->height * tile->scale; y++)
      for (int64_t x = 0; x < tile->width * tile->scale; x++)
        canvas->pixels[((top + y) * canvas->width + left + x) * canvas->channels + c] =
            shade_of(values[(c * tile->height + y / tile->scale) * tile->width + x / tile->scale], low, high);
}

static bool write_grid(const char *path, const float *values, int64_t n, Tile tile, double low, double high,
                       Problem *problem) {
  int64_t columns = 1;
  while (columns * columns < n) columns++;
  int64_t rows = (n + columns - 1) / columns, size = tile.channels * tile.height * tile.width;
  int64_t across = tile.width * tile.scale + GAP, down = tile.height * tile.scale + GAP;
  Canvas canvas;
  if (tile.width > SIDE_LIMIT || tile.height > SIDE_LIMIT || columns > SIDE_LIMIT)
    return problem_set(problem, "%s: too large for a picture; write .npy", path);
  if (!canvas_create(&canvas, columns * across + GAP, rows * down + GAP, tile.channels, GAP_SHADE, path, problem))
    return false;
  for (int64_t i = 0; i < n; i++)
    draw_tile(&canvas, &tile, values + i * size, GAP + i % columns * across, GAP + i / columns * down, low, high);
  bool fine = canvas_write(&canvas, path, problem);
  free(canvas.pixels);
  return fine;
}

/* ---- scatter plots ----------------------------------------------------------------------------------------------- */

enum { PLOT = 512, MARGIN = 40, FIELD = PLOT - 2 * MARGIN };

typedef struct Axes {
  double left, bottom, span;
} Axes; /* one scale for both: circles stay circles */

static void darken(const Canvas *canvas, int64_t x, int64_t y, int percent) {
  if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height) return;
  uint8_t *pixel = &canvas->pixels[y * canvas->width + x];
  *pixel = (uint8_t)(*pixel * (100 - percent) / 100);
}

/* 3 by 5 bits a sign, a row an octal digit. */
static void draw_text(const Canvas *canvas, const char *text, int64_t x, int64_t y) {
  static const struct {
    char sign;
    uint16_t bits;
  } font[] = {
      {'0', 075557}, {'1', 026227}, {'2', 071747}, {'3', 071717}, {'4', 055711}, {'5', 074717}, {'6', 074757},
      {'7', 071111}, {'8', 075757}, {'9', 075717}, {'-', 000700}, {'.', 000002}, {'e', 075746}, {'+', 002720},
  };
  for (; *text; text++, x += 8)
    for (size_t i = 0; i < sizeof font / sizeof *font; i++)
      for (int bit = 0; font[i].sign == *text && bit < 15; bit++)
        if (font[i].bits >> (14 - bit) & 1)
          for (int k = 0; k < 4; k++) darken(canvas, x + 2 * (bit % 3) + k % 2, y + 2 * (bit / 3) + k / 2, 70);
}

/* A distance between ticks that is 1, 2 or 5 times a power of ten and makes four to ten of them. */
static double tick_distance(double span) {
  double unit = pow(10, floor(log10(span / 4)));
  return span / (5 * unit) >= 4 ? 5 * unit : span / (2 * unit) >= 4 ? 2 * unit : unit;
}

static Axes fit_axes(const float *points, int64_t n) {
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (int64_t i = 0; i < 2 * n; i++) {
    if (!isfinite(points[i])) continue;
    low[i % 2] = fmin(low[i % 2], points[i]);
    high[i % 2] = fmax(high[i % 2], points[i]);
  }
  if (low[0] > high[0] || low[1] > high[1]) return (Axes){-1, -1, 2}; /* no finite point */
  double span =
      fmax(fmax(high[0] - low[0], high[1] - low[1]) * 1.05, 1e-6 * fmax(1, fmax(fabs(high[0]), fabs(high[1]))));
  return (Axes){(low[0] + high[0] - span) / 2, (low[1] + high[1] - span) / 2, span};
}

static void draw_axes(const Canvas *canvas, const Axes *axes) {
  double distance = tick_distance(axes->span), starts[2] = {axes->left, axes->bottom};
  for (int axis = 0; axis < 2; axis++) {
    for (double k = ceil(starts[axis] / distance); k * distance <= starts[axis] + axes->span; k++) {
      int64_t at = (int64_t)lround((k * distance - starts[axis]) / axes->span * FIELD),
              place = axis ? PLOT - MARGIN - at : MARGIN + at;
      char text[32];
      snprintf(text, sizeof text, "%.4g", k == 0 ? 0.0 : k * distance);
      for (int64_t i = MARGIN; i <= PLOT - MARGIN; i++)
        darken(canvas, axis ? i : place, axis ? place : i, k == 0 ? 30 : 12);
      int64_t width = 8 * (int64_t)strlen(text);
      if (axis) draw_text(canvas, text, MARGIN - 6 - width < 0 ? 0 : MARGIN - 6 - width, place - 5);
      else draw_text(canvas, text, place - width / 2, PLOT - MARGIN + 8);
    }
  }
}

static bool write_scatter(const char *path, const float *points, int64_t n, Problem *problem) {
  Canvas canvas;
  Axes axes = fit_axes(points, n);
  if (!canvas_create(&canvas, PLOT, PLOT, 1, 255, path, problem)) return false;
  draw_axes(&canvas, &axes);
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(points[2 * i]) || !isfinite(points[2 * i + 1])) continue;
    int64_t x = MARGIN + lround((points[2 * i] - axes.left) / axes.span * FIELD),
            y = PLOT - MARGIN - lround((points[2 * i + 1] - axes.bottom) / axes.span * FIELD);
    for (int k = 0; k < 9; k++) darken(&canvas, x + k % 3 - 1, y + k / 3 - 1, k == 4 ? 80 : 35);
  }
  bool fine = canvas_write(&canvas, path, problem);
  free(canvas.pixels);
  return fine;
}

bool picture_write(const char *path, const float *values, int64_t n, int64_t rank, const int64_t *shape, double low,
                   double high, Problem *problem) {
  char text[160];
  if (n < 1) return problem_set(problem, "%s: a picture of no samples", path);
  if (is_point(rank, shape)) return write_scatter(path, values, n, problem);
  Tile tile = tile_of(rank, shape);
  if (tile.channels == 0)
    return problem_set(
        problem,
        "samples of shape %s are no pictures ([h, w], [1, h, w], [3, h, w] or [2] are); write them to a .npy file",
        element_shape_text(rank, shape, text));
  if (!(high > low))
    return problem_set(problem, "%s: a picture needs a range of values, found %g to %g", path, low, high);
  return write_grid(path, values, n, tile, low, high, problem);
}
