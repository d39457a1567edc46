"""Makes the .npy and .npz files beside it with NumPy itself: what our reader must understand."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
a = np.arange(2 * 3 * 5).reshape(2, 3, 5)
for name, dtype in {
    "f4": "<f4", "f8": "<f8", "f8_big": ">f8", "f4_big": ">f4", "i4": "<i4", "i8": "<i8", "i8_big": ">i8",
    "i1": "i1", "u1": "u1", "i2_big": ">i2", "u4": "<u4", "u8": "<u8",
}.items():
    np.save(here / f"{name}.npy", (a - 7 if dtype[-2] != "u" else a).astype(dtype))
np.save(here / "fortran.npy", np.asfortranarray(a - 7.5))
np.save(here / "bool.npy", a % 3 == 0)
np.save(here / "scalar.npy", np.float64(2.5))
np.save(here / "empty.npy", np.zeros((0, 7)))
np.save(here / "object.npy", np.array([{}, None], dtype=object), allow_pickle=True)
np.save(here / "complex.npy", np.ones(2, dtype=complex))
np.save(here / "half.npy", np.ones(2, dtype=np.float16))
np.save(here / "records.npy", np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]))
np.save(here / "dates.npy", np.array(["2020-01-01"], dtype="datetime64[D]"))
np.save(here / "big_integer.npy", np.array([[1, 2], [3, 2**53 + 1]]))
with open(here / "version2.npy", "wb") as f:
    np.lib.format.write_array(f, a - 7.5, version=(2, 0))
with open(here / "version3.npy", "wb") as f:
    np.lib.format.write_array(f, a - 7.5, version=(3, 0))
for save, name in (np.savez, "stored"), (np.savez_compressed, "deflated"):
    save(here / f"{name}.npz", x=a - 7.5, label=np.arange(3), activation="tanh", größe=np.float32(0.5))

try:
    from safetensors.numpy import save_file
except ImportError:
    print("the safetensors package is not installed: library.safetensors stays as it is")
else:
    tensors = {
        "w": (a - 7.5).astype("<f4"), "m": np.arange(5) / 7, "position": np.array(123456789012),
        "rows": np.arange(3, dtype="<i4"),
    }
    save_file(tensors, here / "library.safetensors", metadata={"größe": "5"})
