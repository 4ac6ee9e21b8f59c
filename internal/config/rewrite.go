package config

import (
	"reflect"
	"strings"
)

// rewrite puts every text at a path such as "build.artifacts.context" through a function. Lists are gone through, "*" is
// every field of a block; of texts by name the values are meant.
func rewrite(c *Config, path string, change func(string) string) {
	rewriteAt(reflect.ValueOf(c).Elem(), strings.Split(path, "."), change)
}

func rewriteAt(v reflect.Value, steps []string, change func(string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			rewriteAt(v.Elem(), steps, change)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rewriteAt(v.Index(i), steps, change)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			rewriteAt(value, steps, change)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		if len(steps) == 0 {
			v.SetString(change(v.String()))
		}
	case reflect.Struct:
		for i := 0; len(steps) > 0 && i < v.NumField(); i++ {
			key, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			switch {
			case options == "inline":
				rewriteAt(v.Field(i), steps, change)
			case key == "-" || key == "":
			case steps[0] == "*" || steps[0] == key:
				rewriteAt(v.Field(i), steps[1:], change)
			}
		}
	}
}
