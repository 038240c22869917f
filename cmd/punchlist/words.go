package main

import "fmt"

// count is "1 change" or "3 changes".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// verb is the form that goes with a count: "waits" for one, "wait" for others.
func verb(n int, many string) string {
	if n == 1 {
		return many + "s"
	}
	return many
}
