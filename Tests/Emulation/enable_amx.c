// A module that lets programs use AMX's registers. Linux does so only where they can be withheld until a program asks (XFD), which
// the emulated processor cannot, so it does not save them either; here one program alone uses them.
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
