package lint

// Rule is one check of the whole tree.
type Rule struct {
	Name  string
	Check func(*Tree) []Problem
}

// library are the packages that users link into their programs.
var library = []string{"ring", "hwcq", "engine", "conn", "observe"}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{"imports point down", importDirection},
		{"atomics stay in their places", atomicPlaces},
		{"only typed atomics", typedAtomics},
		{"unsafe stays in its places", unsafePlaces},
		{"the engine publishes with a fence", fencedCommits},
		{"files are short", fileLength},
		{"exported names are documented", exportedComments},
		{"the library is silent", librarySilence},
		{"the README shows code that runs", readmeSnippets},
		{"no path of one machine", machinePaths},
	}
}
