/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/window_max.h */
/* The largest integer of each window, channels last. Before this text stands the type `element`. */
#include <stdint.h>
#include <string.h>

struct window {
    int64_t size[2], stride[2], pad[2], dilation[2];
};

static inline int64_t smaller(int64_t a, int64_t b)
{
    return b < a ? b : a;
}

static void keep_larger(element *restrict y, const element *restrict x, int64_t count)
{
    for (int64_t i = 0; i < count; ++i)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

/* The first position of a window at `from` that lies in an image: positions are `dilation` apart. */
static int64_t first_inside(int64_t from, int64_t dilation)
{
    return from < 0 ? from + (-from + dilation - 1) / dilation * dilation : from;
}

/* x [images, high, wide, channels] -> y [images, down, across, channels]; each window has an element of its image. */
void run(const struct window *w, int64_t images, int64_t high, int64_t wide, int64_t channels, int64_t down,
         int64_t across, const element *x, element *y, int threads)
{
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t row = 0; row < images * down; ++row) {
        const element *const image = x + row / down * high * wide * channels;
        const int64_t top = row % down * w->stride[0] - w->pad[0], y0 = first_inside(top, w->dilation[0]);
        const int64_t bottom = smaller(top + w->size[0] * w->dilation[0], high);
        for (int64_t column = 0; column < across; ++column) {
            element *const out = y + (row * across + column) * channels;
            const int64_t left = column * w->stride[1] - w->pad[1], x0 = first_inside(left, w->dilation[1]);
            const int64_t right = smaller(left + w->size[1] * w->dilation[1], wide);
            memcpy(out, image + (y0 * wide + x0) * channels, channels * sizeof *out);
            for (int64_t i = y0; i < bottom; i += w->dilation[0])
                for (int64_t j = x0; j < right; j += w->dilation[1])
                    keep_larger(out, image + (i * wide + j) * channels, channels);
        }
    }
}
