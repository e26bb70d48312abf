// Why a shim: the module map needs one header to name, and Debian installs OpenBLAS's own cblas.h
// under a directory that only pkg-config knows.
#pragma once
#include <cblas.h>
