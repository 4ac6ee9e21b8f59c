package local

import (
	"strings"
)

// commands splits what a shell would run into its simple commands, each into words. It knows quotes, and nothing of the rest of a
// shell: ok is false when the text needs one (a substitution, a loop, a pipe).
func commands(text string) (list [][]string, ok bool) {
	var words []string
	var word strings.Builder
	begun, quote, ok, redirected := false, byte(0), true, false
	endWord := func() {
		switch {
		case begun && redirected:
			redirected = false // it is a file, and no argument
		case begun:
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	endCommand := func() {
		endWord()
		redirected = false
		if len(words) > 0 {
			list = append(list, words)
		}
		words = nil
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\' && c != '`':
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				word.WriteByte(text[i])
				begun = true
			}
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case c == '`', c == '$' && strings.HasPrefix(text[i:], "$("):
			ok = false
			word.WriteByte(c)
			begun = true
		case c == ' ' || c == '\t':
			endWord()
		case c == '\n' || c == ';':
			endCommand()
		case c == '&' || c == '|':
			if i+1 < len(text) && text[i+1] == c {
				i++
			} else {
				ok = false
			}
			endCommand()
		case c == '>' || c == '<':
			if strings.Trim(word.String(), "0123456789") == "" {
				word.Reset() // the number of a stream
				begun = false
			}
			endWord()
			ok, redirected = false, true
			for i+1 < len(text) && strings.IndexByte("><&", text[i+1]) >= 0 {
				i++
			}
		case c == '(' || c == ')':
			ok = false
			endWord()
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	endCommand()
	return list, ok && quote == 0
}

// assignments separates the variables that stand before a command.
func assignments(words []string) (env, rest []string) {
	for len(words) > 0 {
		name, _, ok := strings.Cut(words[0], "=")
		if !ok || name == "" || strings.ContainsAny(name, "/-.") {
			break
		}
		env, words = append(env, words[0]), words[1:]
	}
	return env, words
}

// substitute puts variables into a shell text, except in single quotes. One that has no value becomes nothing, as in a shell.
func substitute(text string, env map[string]string) string {
	single := false
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\'' {
			single = !single
		}
		if text[i] == '\\' && i+1 < len(text) && !single {
			out.WriteString(text[i : i+2])
			i++
			continue
		}
		name, length := variable(text[i:])
		if length == 0 || single {
			out.WriteByte(text[i])
			continue
		}
		out.WriteString(env[name])
		i += length - 1
	}
	return out.String()
}

// variable is the name in $NAME or ${NAME} at the beginning of a text, and how long that is.
func variable(text string) (name string, length int) {
	if len(text) < 2 || text[0] != '$' {
		return "", 0
	}
	from, end := 1, 1
	if text[1] == '{' {
		from, end = 2, 2
	}
	for end < len(text) && (text[end] == '_' || text[end] >= '0' && text[end] <= '9' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	switch {
	case end == from:
		return "", 0
	case from == 1:
		return text[from:end], end
	case end < len(text) && text[end] == '}':
		return text[from:end], end + 1
	}
	return "", 0
}
