// One request: a flat JSON object on a line.
#pragma once

#include <string>

struct Request {
	std::string impl, shape;
	long event = 16;     // bytes, 16, 32 or 64
	double ms = 1.5;     // how long the sample should take
	long batch = 32;     // events in a batch, 1..256
	long cpu0 = -1;      // of the producer of a pinned pair; -1: the first allowed one
	long cpu1 = -1;      // of the consumer; -1: the second allowed one
	long cpus = 2;       // CPUs for all shapes with more producers; 0: all
};

// parse reads a request from line, and returns what is wrong with it, or "".
std::string parse(const std::string &line, Request &r);

// quoted is s as a JSON string.
std::string quoted(const std::string &s);
