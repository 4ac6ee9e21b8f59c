module github.com/skiff-dev/skiff/e2e/cluster

go 1.26.0
