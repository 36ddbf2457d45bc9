"""Names for the array types that cross module borders."""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Uint32s = npt.NDArray[np.uint32]
Int64s = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
