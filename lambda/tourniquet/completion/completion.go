// Package completion writes the scripts by which a shell completes the command.
package completion

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Cmd prints a completion script.
type Cmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says how to use the script.
func (Cmd) Help() string {
	return "bash: source <(tourniquet completion bash)\n\nzsh: source <(tourniquet completion zsh)\n\nfish: tourniquet completion fish | source"
}

// Run prints the script.
func (c Cmd) Run(k *kong.Context, out io.Writer) error {
	_, err := io.WriteString(out, Script(c.Shell, commandsOf(k.Model)))
	return err
}

// A Command is a subcommand and what completes after it.
type Command struct {
	Name, Help string
	Words      []string // flags with their dashes, and fixed arguments
}

// commandsOf are the subcommands of a command line, sorted by name.
func commandsOf(app *kong.Application) []Command {
	var all []Command
	for _, n := range app.Children {
		if n.Hidden {
			continue
		}
		c := Command{Name: n.Name, Help: n.Help}
		for _, group := range n.AllFlags(true) {
			for _, f := range group {
				c.Words = append(c.Words, "--"+f.Name)
			}
		}
		for _, p := range n.Positional {
			c.Words = append(c.Words, p.EnumSlice()...)
		}
		slices.Sort(c.Words)
		c.Words = slices.DeleteFunc(slices.Compact(c.Words), func(w string) bool { return w == "" }) // of an argument without fixed words
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Command) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Script is the completion script of a shell: subcommands first, then the flags of the
// subcommand, else files.
func Script(shell string, commands []Command) string {
	switch shell {
	case "fish":
		return fish(commands)
	case "zsh":
		return "autoload -U +X bashcompinit && bashcompinit\n" + bash(commands)
	default:
		return bash(commands)
	}
}

func bash(commands []Command) string {
	var names []string
	var cases strings.Builder
	for _, c := range commands {
		names = append(names, c.Name)
		fmt.Fprintf(&cases, "    %s) words=%s ;;\n", c.Name, quoted(strings.Join(c.Words, " ")))
	}
	return `_tourniquet() {
  local words current="${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ` + quoted(strings.Join(append(names, "--help", "--version"), " ")) + ` -- "$current"))
    return
  fi
  case "${COMP_WORDS[1]}" in
` + cases.String() + `    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tourniquet tourniquet
`
}

func fish(commands []Command) string {
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c tourniquet -n __fish_use_subcommand -a %s -d %s\n", c.Name, quoted(c.Help))
		for _, w := range c.Words {
			if flag, ok := strings.CutPrefix(w, "--"); ok {
				fmt.Fprintf(&b, "complete -c tourniquet -n '__fish_seen_subcommand_from %s' -l %s\n", c.Name, flag)
			} else {
				fmt.Fprintf(&b, "complete -c tourniquet -n '__fish_seen_subcommand_from %s' -a %s\n", c.Name, w)
			}
		}
	}
	return b.String()
}

// quoted is a text for a shell, in single quotes.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
