#include "common.h"

int main() { return say("build1"); }
