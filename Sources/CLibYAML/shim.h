// libyaml.
#ifndef VIPD_CLIBYAML_SHIM_H
#define VIPD_CLIBYAML_SHIM_H

#include <yaml.h>

#endif
