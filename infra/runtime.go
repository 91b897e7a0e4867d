package main

import (
	"bufio"
	"io"
	"os"
	"strings"

	"github.com/aws/jsii-runtime-go"
)

// falseAlarm is what jsii says now and then when it is closed: it waits for
// Node.js in two goroutines at once, and the second to come finds no child left.
const falseAlarm = "Runtime process exited abnormally: waitid: no child processes"

// withRuntime runs f, which may use the CDK, ends the CDK's Node.js process after
// it, and passes on what is written to standard error, without the false alarm.
func withRuntime(f func()) {
	stderr := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		defer jsii.Close()
		f()
		return
	}
	os.Stderr = w // once, before jsii has started a goroutine that reads it
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

// pass copies lines, all but the false alarm, which has no end of line.
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
