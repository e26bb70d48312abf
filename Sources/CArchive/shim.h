// Why a shim: the module map needs one header to name, and libarchive has two.
#pragma once
#include <archive.h>
#include <archive_entry.h>
