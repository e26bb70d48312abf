// A kernel module that lets programs use the AMX registers. Linux does so only on processors that can disable them until a program
// asks (XFD), which the emulated processor cannot. Linux then does not save the registers either, but only one program uses them here.
#include <linux/module.h>

enum { extended_control_register = 0, tile_state = 0x60000 };

static int __init enable_amx(void) {
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(extended_control_register));
    asm volatile("xsetbv" : : "a"(low | tile_state), "d"(high), "c"(extended_control_register));
    return 0;
}

module_init(enable_amx);
MODULE_DESCRIPTION("Enables the tile registers of AMX");
MODULE_LICENSE("GPL");
