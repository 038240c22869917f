//go:build !seams

package main

var seams = noSeams()
