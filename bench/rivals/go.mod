module github.com/evdengine/evd/bench/rivals

go 1.26.0

require (
	github.com/Workiva/go-datastructures v1.1.7
	github.com/evdengine/evd v0.0.0
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
	gonum.org/v1/gonum v0.17.0
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/evdengine/evd => ../..
