// Package plan works out what to do: to contain an instance, to release it, to
// expire denials. Each plan is a pure function of what was observed and what is
// recorded. Nothing in it makes a call, reads a clock, writes a log or throws dice;
// the linter refuses the imports that would.
package plan
