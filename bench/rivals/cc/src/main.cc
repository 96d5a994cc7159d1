// A server on stdin and stdout: a request on a line, its answer on a line.
#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>

#include "bench.h"

namespace {

// joined is what f makes of each item, with commas between.
template <class C, class F> std::string joined(const C &items, F f)
{
	std::string out;
	for (auto &item : items)
		out += (out.empty() ? "" : ",") + f(item);
	return out;
}

// list says what there is to measure, by impl, shape and event size.
std::string list(const Table &t)
{
	return "{\"ok\":true,\"cells\":{" + joined(t.cells, [](auto &impl) {
		return quoted(impl.first) + ":{" + joined(impl.second, [](auto &shape) {
			return quoted(shape.first) + ":[" + joined(shape.second, [](auto &size) { return std::to_string(size.first); }) + "]";
		}) + "}";
	}) + "},\"missing\":[" + joined(t.missing, quoted) + "],\"versions\":{" + joined(t.versions, [](auto &v) {
		return quoted(v.first) + ":" + quoted(v.second);
	}) + "}}";
}

std::string wrong(const std::string &what) { return "{\"error\":" + quoted(what) + "}"; }

// measure runs a cell for about r.ms. How many events that is, the best sample so far
// of the same cell tells; the first is preceded by a short one.
std::string measure(Table &t, const Request &r)
{
	auto impl = t.cells.find(r.impl);
	if (impl == t.cells.end())
		return wrong("no impl " + r.impl + " here");
	auto shape = impl->second.find(r.shape);
	if (shape == impl->second.end())
		return wrong("impl " + r.impl + " has no shape " + r.shape);
	auto cell = shape->second.find(0);
	if (cell == shape->second.end() && (cell = shape->second.find(r.event)) == shape->second.end())
		return wrong("impl " + r.impl + " has no events of " + std::to_string(r.event) + " bytes");

	static std::map<std::string, double> best; // ns an event
	double &ns = best[r.impl + " " + r.shape + " " + std::to_string(r.event) + " " + std::to_string(r.batch)];
	if (ns <= 0)
		ns = cell->second.run(r, cell->second.least).ns;
	double n = std::fmin(std::fmax(r.ms * 1e6 / std::fmax(ns, 0.01), cell->second.least), 1e8);
	Sample s = cell->second.run(r, (uint64_t)n);
	ns = std::fmin(ns, s.ns);
	if (s.n > 0)
		n = s.n;
	char out[160];
	snprintf(out, sizeof out, "{\"ns\":%.4f,\"ok\":%s,\"nivcsw\":%ld,\"n\":%.0f}", s.ns, s.ok ? "true" : "false", s.nivcsw, n);
	return out;
}

std::string answer(Table &t, const std::string &line)
{
	try {
		Request r;
		if (std::string w = parse(line, r); !w.empty())
			return wrong(w);
		return r.impl == "list" ? list(t) : measure(t, r);
	} catch (const std::exception &e) {
		return wrong(e.what());
	}
}

} // namespace

int main()
{
	Table t;
	t.versions["g++"] = __VERSION__;
	t.versions["flags"] = FLAGS;
	add_limits(t);
	add_lines(t);
	add_queues(t);
	add_rte(t);
	add_poll(t);
	std::string line;
	while (std::getline(std::cin, line))
		std::cout << answer(t, line) << std::endl;
	return 0;
}
