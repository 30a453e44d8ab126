/* Pictures, read back pixel by pixel through libpng, and the progress line. */
#include "tests/unit/io_common.h"

#include <math.h>
#include <png.h>

static uint8_t *read_png(const char *path, png_image *image) {
  memset(image, 0, sizeof *image);
  image->version = PNG_IMAGE_VERSION;
  ck_assert_int_ne(png_image_begin_read_from_file(image, path), 0);
  ck_assert_uint_eq(image->format & PNG_FORMAT_FLAG_ALPHA, 0);
  uint8_t *pixels = malloc(PNG_IMAGE_SIZE(*image));
  ck_assert_int_ne(png_image_finish_read(image, NULL, pixels, 0, NULL), 0);
  return pixels;
}

START_TEST(grey_grid) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  png_image image;
  float values[3 * 6] = {-1, 0, 1, -5, 5, NAN};
  for (int i = 6; i < 18; i++) values[i] = 1;
  ck_assert_msg(picture_write("g.png", values, 3, 3, (int64_t[]){1, 2, 3}, -1, 1, &problem), "%s", problem.text);
  uint8_t *pixels = read_png("g.png", &image);
  ck_assert(image.width == 2 + 2 * (6 + 2) && image.height == 2 + 2 * (4 + 2) && image.format == PNG_FORMAT_GRAY);
  static const uint8_t first[2][3] = {{0, 128, 255}, {0, 255, 0}};
  for (int y = 0; y < 4; y++) /* small images: two dots a pixel, both ways */
    for (int x = 0; x < 6; x++) ck_assert_uint_eq(pixels[(2 + y) * image.width + 2 + (uint32_t)x], first[y / 2][x / 2]);
  ck_assert_uint_eq(pixels[0], 64);
  ck_assert_uint_eq(pixels[2 * image.width + 10], 255); /* the second tile */
  ck_assert_uint_eq(pixels[8 * image.width + 10], 64);  /* no fourth */
  free(pixels);
  leave_folder(folder);
}
END_TEST

START_TEST(colour_grid) {
  char folder[32];
  enter_folder(folder);
  png_image image;
  static const float planes[12] = {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}; /* [3, 2, 2] */
  ck_assert(picture_write("c.png", planes, 1, 3, (int64_t[]){3, 2, 2}, 0, 1, NULL));
  uint8_t *pixels = read_png("c.png", &image);
  ck_assert(image.width == 8 && image.height == 8 && image.format == PNG_FORMAT_RGB);
  static const uint8_t colours[2][2][3] = {{{0, 0, 0}, {255, 0, 0}}, {{0, 255, 0}, {0, 0, 255}}};
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 4; x++) ck_assert_mem_eq(pixels + ((2 + y) * 8 + 2 + x) * 3, colours[y / 2][x / 2], 3);
  free(pixels);
  leave_folder(folder);
}
END_TEST

START_TEST(scatter) {
  char folder[32];
  enter_folder(folder);
  png_image image;
  static const float points[] = {0, 0, 10, 0, 0, 10, 10, 10, NAN, 1, INFINITY, 2};
  ck_assert(picture_write("s.png", points, 6, 1, (int64_t[]){2}, -1, 1, NULL));
  uint8_t *pixels = read_png("s.png", &image);
  ck_assert(image.width == 512 && image.height == 512);
  int dark = 0;
  for (int i = 0; i < 512 * 512; i++) dark += pixels[i] < 60;
  ck_assert_int_ge(dark, 4); /* four centers */
  ck_assert_int_le(dark, 60);
  for (int corner = 0; corner < 4; corner++) { /* near the corners of the field, by symmetry */
    int found = 0;
    for (int y = 0; y < 40; y++)
      for (int x = 0; x < 40; x++)
        found += pixels[(corner / 2 ? 471 - y : 40 + y) * 512 + (corner % 2 ? 471 - x : 40 + x)] < 60;
    ck_assert_int_ge(found, 1);
  }
  free(pixels);
  static const float lost[2] = {NAN, NAN}, one[2] = {1e30f, -1e30f};
  ck_assert(picture_write("n.png", lost, 1, 1, (int64_t[]){2}, -1, 1, NULL));
  ck_assert(picture_write("o.png", one, 1, 1, (int64_t[]){2}, -1, 1, NULL));
  leave_folder(folder);
}
END_TEST

START_TEST(refusals) {
  static const float values[100] = {0};
  Problem problem;
  ck_assert(!picture_write("/tmp/x.png", values, 1, 1, (int64_t[]){100}, 0, 1, &problem));
  ck_assert_says(problem, "shape [100] are no pictures");
  ck_assert_says(problem, ".npy");
  ck_assert(!picture_write("/tmp/x.png", values, 1, 3, (int64_t[]){2, 5, 10}, 0, 1, &problem));
  ck_assert(!picture_write("/tmp/x.png", values, 0, 2, (int64_t[]){10, 10}, 0, 1, &problem));
  ck_assert(!picture_write("/tmp/x.png", values, 1, 2, (int64_t[]){10, 10}, 1, 1, &problem));
  ck_assert(!picture_write("/nowhere/x.png", values, 1, 2, (int64_t[]){10, 10}, 0, 1, &problem));
  ck_assert_says(problem, "/nowhere/x.png");
  ck_assert(!picture_write("/tmp/x.png", values, 100000, 2, (int64_t[]){1000, 1000}, 0, 1, &problem));
  ck_assert_says(problem, "fewer samples");
  ck_assert(picture_possible(1, (int64_t[]){2}) && picture_possible(3, (int64_t[]){3, 4, 4}) &&
            !picture_possible(1, (int64_t[]){3}) && !picture_possible(0, NULL));
}
END_TEST

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static const ProgressValue values[] = {{"D", 1.23456}, {"G", -0.875}};

START_TEST(plain_line) {
  char line[200];
  Progress progress = progress_start(0, 0, 7000, 64);
  ck_assert_uint_eq(progress_format(&progress, NULL, 0, line, sizeof line), strlen(line));
  ck_assert_str_eq(line, "step 0/7000\n");
  for (int step = 1; step <= 500; step++)
    progress_note(&progress, step, step % 10 == 0 ? 100 : 4.9); /* a checkpoint now and then does not count */
  ck_assert(progress_median(&progress) == 4.9);
  progress_format(&progress, values, 2, line, sizeof line);
  ck_assert_str_eq(line, "step 500/7000  D 1.235  G -0.875  4.9 ms/step  13,061 images/s  0:32 left\n");
  progress.total = 10000000;
  progress_format(&progress, NULL, 0, line, sizeof line);
  ck_assert_str_eq(line, "step 500/10000000  4.9 ms/step  13,061 images/s  13:36:38 left\n");
  progress.total = 0;
  progress.images_per_step = 0;
  progress_format(&progress, NULL, 0, line, sizeof line);
  ck_assert_str_eq(line, "step 500  4.9 ms/step\n");
}
END_TEST

START_TEST(median_of_few) {
  Progress progress = progress_start(0, 10, 0, 1);
  ck_assert(progress_median(&progress) == 0);
  progress_note(&progress, 11, 3);
  ck_assert(progress_median(&progress) == 3);
  progress_note(&progress, 12, 5);
  ck_assert(progress_median(&progress) == 4);
  for (int i = 0; i < 1000; i++) progress_note(&progress, 13 + i, i);
  ck_assert(progress_median(&progress) == 967.5); /* of 936 to 999 */
}
END_TEST

START_TEST(terminal_line) {
  static const ProgressValue accents[] = {{"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 1}};
  char line[200];
  Progress progress = progress_start(20, 0, 7000, 64);
  progress_note(&progress, 1, 4.9);
  progress_format(&progress, values, 2, line, sizeof line);
  ck_assert_str_eq(line, "\rstep 1/7000  D 1.23\x1b[K");
  progress_format(&progress, accents, 1, line, sizeof line);
  ck_assert_str_eq(line, "\rstep 1/7000  \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 1\x1b[K");
  for (size_t size = 1; size < 60; size++) {
    char *exact = malloc(size);
    progress.width = (int)(size % 3) * 15;
    ck_assert_uint_lt(progress_format(&progress, values, 2, exact, size), size);
    free(exact);
  }
}
END_TEST

CHECK_MAIN(.tests = {grey_grid, colour_grid, scatter, refusals, plain_line, median_of_few, terminal_line})
