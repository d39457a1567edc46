// The matrix product in the instruction set in use, by way of the head.
#include <gmock/gmock.h>

#include "retrograde/base/random.h"
#include "retrograde/cells/cell.h"
#include "retrograde/tensor/buffer.h"

namespace retrograde {
namespace {

template <class T>
Buffer<T> normal(Random& random, std::size_t n) {
  Buffer<T> values(n);
  for (T& v : values) v = static_cast<T>(random.normal());
  return values;
}

template <class T>
class Product : public ::testing::Test {
 protected:
  // y = x Wᵀ + b of `rows` rows, [rows][outputs].
  std::vector<T> forward(std::size_t rows, const T* rows_of_x) const {
    const std::size_t stride = round_up(outputs_, kernels.lanes);
    Buffer<T> packed(kernels.packed_size({inputs_, outputs_})), y(rows * stride);
    kernels.pack({inputs_, outputs_}, {.weight_ih = weight.data(), .bias_ih = bias.data()}, packed.data());
    run_head<T>({inputs_, outputs_}, packed.data(), rows, {rows_of_x, x_stride}, y.data());
    std::vector<T> result;
    for (std::size_t r = 0; r < rows; ++r)
      result.insert(result.end(), y.data() + r * stride, y.data() + r * stride + outputs_);
    return result;
  }

  void shape(std::size_t rows, std::size_t in, std::size_t out) {
    inputs_ = in, outputs_ = out, x_stride = round_up(in, kernels.lanes);
    x_ = normal<T>(random, rows * x_stride);
    weight = normal<T>(random, in * out);
    bias = normal<T>(random, out);
  }

  const CellKernels<T>& kernels = head_kernels<T>();
  Random random{5};
  std::size_t inputs_ = 0, outputs_ = 0, x_stride = 0;
  Buffer<T> x_, weight, bias;
};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Product, Reals);

TYPED_TEST(Product, EqualsTheNaiveOneForEveryTail) {
  using T = TypeParam;
  for (std::size_t rows = 1; rows <= 19; ++rows)
    for (const std::size_t outputs :
         {1u, 3u, 4u, 5u, 8u, 13u, 16u, 17u, 31u, 33u, 48u, 61u, 64u, 67u, 97u, 131u})
      for (const std::size_t inputs : {1u, 2u, 3u, 7u, 16u, 29u}) {
        this->shape(rows, inputs, outputs);
        const auto y = this->forward(rows, this->x_.data());
        double worst = 0;
        for (std::size_t r = 0; r < rows; ++r)
          for (std::size_t o = 0; o < outputs; ++o) {
            double sum = this->bias[o], size = std::abs(sum);
            for (std::size_t k = 0; k < inputs; ++k) {
              const double term = static_cast<double>(this->x_[r * this->x_stride + k]) *
                                  static_cast<double>(this->weight[o * inputs + k]);
              sum += term, size += std::abs(term);
            }
            const double gap = std::abs(static_cast<double>(y[r * outputs + o]) - sum) / size;
            worst = gap <= worst ? worst : gap;
          }
        // One rounding a term, relative to the sum of magnitudes.
        EXPECT_LE(worst, static_cast<double>(inputs + 1) * std::numeric_limits<T>::epsilon())
            << rows << " rows, " << inputs << " -> " << outputs;
      }
}

TYPED_TEST(Product, OfABatchEqualsItsRowsBitForBit) {
  for (const std::size_t outputs : {1u, 5u, 16u, 17u, 33u, 50u, 64u, 67u, 97u, 131u}) {
    this->shape(23, 29, outputs);
    const auto all = this->forward(23, this->x_.data());
    for (std::size_t rows = 1; rows <= 23; ++rows) {
      const auto some = this->forward(rows, this->x_.data() + (23 - rows) * this->x_stride);
      EXPECT_TRUE(std::equal(some.rbegin(), some.rend(), all.rbegin())) << rows << " of " << outputs;
    }
  }
}

TYPED_TEST(Product, NeverReadsAnInputRowsPadding) {
  using T = TypeParam;
  this->shape(9, 13, 21);
  for (std::size_t r = 0; r < 9; ++r)
    for (std::size_t k = 13; k < this->x_stride; ++k)
      this->x_[r * this->x_stride + k] = std::numeric_limits<T>::quiet_NaN();
  for (const T y : this->forward(9, this->x_.data())) EXPECT_FALSE(std::isnan(y));
}

}  // namespace
}  // namespace retrograde
