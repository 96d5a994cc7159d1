#include "request.h"

#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

// Text is a cursor over a line.
struct Text {
	const char *p;

	void space() { while (isspace((unsigned char)*p)) p++; }

	bool is(char c)
	{
		space();
		if (*p != c)
			return false;
		p++;
		return true;
	}

	// word reads a string without escapes; none of ours needs any.
	bool word(std::string &s)
	{
		if (!is('"'))
			return false;
		for (s.clear(); *p && *p != '"' && *p != '\\'; p++)
			s += *p;
		return is('"');
	}

	// Of what strtod takes, only what JSON has: no nan, no inf, no hexadecimal.
	bool number(double &d)
	{
		space();
		const char *q = p;
		while (isdigit((unsigned char)*q) || *q == '-' || *q == '+' || *q == '.' || *q == 'e' || *q == 'E')
			q++;
		char *end;
		d = strtod(std::string(p, q).c_str(), &end);
		bool ok = q != p && *end == 0 && std::isfinite(d);
		p = q;
		return ok;
	}
};

struct Whole {
	const char *key;
	long Request::*field;
	long low, high;
	const char *allowed;
};

const Whole wholes[] = {
	{"event", &Request::event, 16, 64, "16, 32 or 64"},
	{"batch", &Request::batch, 1, 256, "1..256"},
	{"cpu0", &Request::cpu0, 0, 1023, "0..1023"},
	{"cpu1", &Request::cpu1, 0, 1023, "0..1023"},
	{"cpus", &Request::cpus, 0, 1024, "0..1024"},
};

std::string show(double d)
{
	char s[40];
	snprintf(s, sizeof s, "%g", d);
	return s;
}

std::string set(Request &r, const std::string &key, double d)
{
	if (key == "ms") {
		if (d < 0.001 || d > 1000)
			return "ms " + show(d) + ": want 0.001..1000";
		r.ms = d;
		return "";
	}
	for (const Whole &w : wholes) {
		if (key != w.key)
			continue;
		if (d != std::floor(d) || d < w.low || d > w.high || (key == "event" && d != 16 && d != 32 && d != 64))
			return key + " " + show(d) + ": want " + w.allowed;
		r.*w.field = (long)d;
		return "";
	}
	return "no parameter " + key + " that is a number";
}

} // namespace

std::string parse(const std::string &line, Request &r)
{
	Text t{line.c_str()};
	std::string key, word;
	double d;
	if (!t.is('{'))
		return "a request is a JSON object on one line";
	for (bool first = true; !t.is('}'); first = false) {
		if (!first && !t.is(','))
			return "malformed request: want , or } at \"" + std::string(t.p) + "\"";
		if (!t.word(key) || !t.is(':'))
			return "malformed request: want \"key\": at \"" + std::string(t.p) + "\"";
		t.space();
		if (*t.p == '"') {
			if (!t.word(word))
				return "malformed string for " + key;
			if (key == "impl")
				r.impl = word;
			else if (key == "shape")
				r.shape = word;
			else
				return "no parameter " + key + " that is a string";
			continue;
		}
		if (!t.number(d))
			return "malformed value for " + key;
		if (std::string wrong = set(r, key, d); !wrong.empty())
			return wrong;
	}
	t.space();
	return *t.p ? "something after the request: \"" + std::string(t.p) + "\"" : "";
}

std::string quoted(const std::string &s)
{
	std::string out = "\"";
	for (unsigned char c : s) {
		char u[8];
		if (c == '"' || c == '\\') {
			out += '\\';
			out += c;
		} else if (c < 0x20 || c >= 0x7f) {
			snprintf(u, sizeof u, "\\u%04x", c);
			out += u;
		} else {
			out += c;
		}
	}
	return out + '"';
}
