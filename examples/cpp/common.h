#pragma once
#include <iostream>

inline int say(const char *who) {
  std::cout << "Built by " << who << " with g++ " << __GNUC__ << '\n';
  return 0;
}
