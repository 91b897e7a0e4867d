package main

import (
	"bufio"
	"io"
	"os"
	"strings"

	"github.com/aws/jsii-runtime-go"
)

// falseAlarm is what jsii sometimes says when it is closed. Two of its goroutines wait
// for Node.js, and the second one finds no child process left.
const falseAlarm = "Runtime process exited abnormally: waitid: no child processes"

// withRuntime runs f, which may use the CDK, and then ends the CDK's Node.js process.
// It passes on what is written to standard error, except the false alarm.
func withRuntime(f func()) {
	stderr := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		defer jsii.Close()
		f()
		return
	}
	os.Stderr = w // before jsii starts a goroutine that reads it
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		pass(stderr, r)
	}()
	defer func() {
		jsii.Close()
		_ = w.Close()
		<-passed
	}()
	f()
}

// pass copies everything but the false alarm, which has no end of line.
func pass(to io.Writer, from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		_, _ = io.WriteString(to, strings.ReplaceAll(line, falseAlarm, ""))
		if err != nil {
			return
		}
	}
}
