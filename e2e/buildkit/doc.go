// Package buildkit names the version of BuildKit that the end-to-end tests build for themselves: there is no image of it to download.
package buildkit
