package hangups

// FastPython is for the benchmark.
var FastPython = fastPython
