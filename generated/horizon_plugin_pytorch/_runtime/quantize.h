/* mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/quantize.h */
/*
 * float32 to integers, channels last: quotients are rounded by `round_activation`, the march's; NaN gives 0. Before this text
 * stand that function and the type `element` of the results.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK 512
#define MOST_CHANNELS 16

static void quantize_row(const float *restrict x, element *restrict y, int64_t count, float scale, float low, float high)
{
    for (int64_t i = 0; i < count; ++i) {
        const float q = round_activation(x[i] / scale);
        const float number = q == q ? q : 0.0f, raised = number < low ? low : number;
        y[i] = (element)(raised > high ? high : raised);
    }
}

/* [images][channels][pixels] -> [images][pixels][channels]. */
void run(const float *x, element *y, int64_t images, int64_t channels, int64_t pixels, float scale, float low, float high,
         int threads)
{
    const int64_t blocks = (pixels + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2) if (threads > 1)
    for (int64_t image = 0; image < images; ++image)
        for (int64_t block = 0; block < blocks; ++block) {
            element rows[MOST_CHANNELS][BLOCK];
            const int64_t first = block * BLOCK, count = first + BLOCK < pixels ? BLOCK : pixels - first;
            element *const out = y + (image * pixels + first) * channels;
            if (channels == 1) {
                quantize_row(x + image * pixels + first, out, count, scale, low, high);
                continue;
            }
            for (int64_t c = 0; c < channels; ++c)
                quantize_row(x + (image * channels + c) * pixels + first, rows[c], count, scale, low, high);
            if (channels == 3)
                for (int64_t i = 0; i < count; ++i)
                    for (int64_t c = 0; c < 3; ++c)
                        out[i * 3 + c] = rows[c][i];
            else
                for (int64_t i = 0; i < count; ++i)
                    for (int64_t c = 0; c < channels; ++c)
                        out[i * channels + c] = rows[c][i];
        }
}
