"""Studies, benchmarks, fuzzing and calibration of chatload and the simulator; users need none of it."""
