#include "retrograde/data/npy.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "data/files.h"
#include "retrograde/base/error.h"

namespace retrograde {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::golden;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryFolder;

std::vector<double> counting(std::size_t n, double from) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), from);
  return values;
}

struct Case {
  const char* file;
  Dtype dtype;
  double first;
};

class WrittenByNumpy : public ::testing::TestWithParam<Case> {};

TEST_P(WrittenByNumpy, IsRead) {
  const Array array = read_npy(golden(GetParam().file));
  EXPECT_THAT(array.shape, ElementsAre(2, 3, 5));
  EXPECT_EQ(array.dtype, GetParam().dtype);
  EXPECT_EQ(array.values, counting(30, GetParam().first));
}

INSTANTIATE_TEST_SUITE_P(
    Npy, WrittenByNumpy,
    ::testing::Values(Case{"f4.npy", Dtype::float32, -7}, Case{"f8.npy", Dtype::float64, -7},
                      Case{"f8_big.npy", Dtype::float64, -7}, Case{"f4_big.npy", Dtype::float32, -7},
                      Case{"i4.npy", Dtype::int32, -7}, Case{"i8.npy", Dtype::int64, -7},
                      Case{"i8_big.npy", Dtype::int64, -7}, Case{"i1.npy", Dtype::int32, -7},
                      Case{"u1.npy", Dtype::int32, 0}, Case{"i2_big.npy", Dtype::int32, -7},
                      Case{"u4.npy", Dtype::int64, 0}, Case{"u8.npy", Dtype::int64, 0},
                      Case{"fortran.npy", Dtype::float64, -7.5}, Case{"version2.npy", Dtype::float64, -7.5},
                      Case{"version3.npy", Dtype::float64, -7.5}));

TEST(Npy, BoolScalarAndEmptyArraysAreRead) {
  const Array truth = read_npy(golden("bool.npy"));
  EXPECT_EQ(truth.values[0], 1);
  EXPECT_EQ(truth.values[1], 0);
  EXPECT_EQ(truth.values[27], 1);
  const Array scalar = read_npy(golden("scalar.npy"));
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_THAT(scalar.values, ElementsAre(2.5));
  const Array empty = read_npy(golden("empty.npy"));
  EXPECT_THAT(empty.shape, ElementsAre(0, 7));
  EXPECT_EQ(empty.size(), 0u);
}

TEST(Npy, RowsAreReadInPiecesInEitherMemoryOrder) {
  for (const auto* file : {"version2.npy", "fortran.npy"}) {
    const NpyReader reader(golden(file));
    ASSERT_EQ(reader.rows(), 2u);
    ASSERT_EQ(reader.row_size(), 15u);
    std::vector<double> row(15);
    reader.read_rows(1, 1, row);
    EXPECT_EQ(row, counting(15, 7.5)) << file;
    reader.read_rows(0, 1, row);
    EXPECT_EQ(row, counting(15, -7.5)) << file;
    EXPECT_THROW(reader.read_rows(1, 2, row), UsageError);
    EXPECT_THROW(reader.read_rows(0, 2, row), UsageError);
  }
}

TEST(Npy, ATypeThatIsNotForUsIsNamedWithItsRemedy) {
  const auto refusal = [](const char* file) {
    return message_of<DataError>([&] { read_npy(golden(file)); });
  };
  EXPECT_THAT(refusal("object.npy"), AllOf(HasSubstr("object.npy"), HasSubstr("Python objects")));
  EXPECT_THAT(refusal("complex.npy"), AllOf(HasSubstr("complex"), HasSubstr(".real")));
  EXPECT_THAT(refusal("half.npy"), AllOf(HasSubstr("float16"), HasSubstr("astype(numpy.float32)")));
  EXPECT_THAT(refusal("records.npy"), HasSubstr("structured"));
  EXPECT_THAT(refusal("dates.npy"), HasSubstr("dates"));
}

TEST(Npy, AnIntegerBeyondADoubleIsRefusedByItsPlace) {
  EXPECT_THAT(message_of<DataError>([] { read_npy(golden("big_integer.npy")); }),
              AllOf(HasSubstr("element [1, 1]"), HasSubstr("2^53")));
}

TEST(Npy, EveryDtypeComesBackAsItWasWritten) {
  const TemporaryFolder folder;
  for (const auto dtype : {Dtype::float32, Dtype::float64, Dtype::int32, Dtype::int64}) {
    const Array array{{3, 1, 2}, {-5, 0, 7, 1 << 20, 11, -13}, dtype};
    write_npy(folder / "a.npy", array);
    const Array back = read_npy(folder / "a.npy");
    EXPECT_EQ(back.shape, array.shape);
    EXPECT_EQ(back.values, array.values);
    EXPECT_EQ(back.dtype, dtype);
  }
}

TEST(Npy, NaNAndInfinityAreKept) {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", {{3}, {std::nan(""), -INFINITY, 1e-320}, Dtype::float64});
  const Array back = read_npy(folder / "a.npy");
  EXPECT_TRUE(std::isnan(back.values[0]));
  EXPECT_EQ(back.values[1], -INFINITY);
  EXPECT_EQ(back.values[2], 1e-320);
}

TEST(Npy, AValueThatDoesNotFitItsDtypeIsRefused) {
  EXPECT_THAT(message_of<UsageError>([] {
                npy_bytes({{2}, {1, 0.5}, Dtype::int32});
              }),
              AllOf(HasSubstr("element [1] is 0.5"), HasSubstr("int32")));
  EXPECT_THROW(npy_bytes({{1}, {2147483648.0}, Dtype::int32}), UsageError);
  EXPECT_THROW(npy_bytes({{1}, {0x1p63}, Dtype::int64}), UsageError);
  EXPECT_THROW(npy_bytes({{1}, {std::nan("")}, Dtype::int64}), UsageError);
  EXPECT_THROW(npy_bytes({{1}, {1e300}, Dtype::float32}), UsageError);
  EXPECT_THROW(npy_bytes({{3}, {1}, Dtype::float32}), UsageError);
}

TEST(Npy, AHeaderThatPromisesMoreThanTheFileHoldsAllocatesNothing) {
  const TemporaryFolder folder;
  std::string bytes = npy_bytes({{2, 3}, {1, 2, 3, 4, 5, 6}, Dtype::float64});
  for (const auto* shape :
       {"(9223372036854775807, 2), }", "(2, 99999999999999999999), }", "(4294967296, 4294967296), }"}) {
    std::string damaged = bytes;
    damaged.replace(damaged.find("(2, 3), }"), std::string_view(shape).size(), shape);
    EXPECT_THROW(read_npy(testing::save(folder / "a.npy", damaged)), FileError) << shape;
  }
  EXPECT_THROW(read_npy(testing::save(folder / "a.npy", bytes + "x")), FileError);
  EXPECT_THROW(read_npy(testing::save(folder / "a.npy", bytes.substr(0, bytes.size() - 1))), FileError);
}

TEST(Npy, WhatIsNoFileIsSaid) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<FileError>([&] { read_npy(folder / "none.npy"); }), HasSubstr("No such file"));
  EXPECT_THAT(message_of<FileError>([&] { read_npy(folder.path()); }), HasSubstr("folder"));
  EXPECT_THAT(message_of<FileError>([&] { read_npy(testing::save(folder / "a.npy", "a,b\n1,2\n3,4\n")); }),
              HasSubstr("no .npy file"));
  EXPECT_THAT(message_of<FileError>([&] {
                write_npy(folder / "none/a.npy", {{1}, {1}, Dtype::float32});
              }),
              AllOf(HasSubstr("none/a.npy"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace retrograde
