package v1alpha1

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/eastwest-mesh/eastwest/internal/golden"
)

// TestReference keeps the pages of docs/reference equal to the types.
func TestReference(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]struct {
		title string
		// intro follows the line that says how the page is made.
		intro string
		files []string
	}{
		"mesh-file.md": {
			"The mesh file",
			"`samples/mesh.yaml` shows it whole.\n\n" + header(KindMesh),
			[]string{"mesh.go"},
		},
		"agent-config.md": {
			"The files of the agent",
			"`agent.yaml` configures it, in " + header(KindAgentConfig) +
				" One `NAME.member.yaml` beside a `NAME.kubeconfig` is the record of a peer, in " + header(KindMemberRecord),
			[]string{"agentconfig.go", "multiclusterservices.go", "memberrecord.go"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			fmt.Fprintf(&text, "# %s\n\nMade from the code: `go test ./api/v1alpha1 -update`. %s\n", page.title, page.intro)
			for _, file := range page.files {
				writeTypes(t, &text, file)
			}
			golden.Check(t, "../../docs/reference/"+name, []byte(text.String()))
		})
	}
}

func header(kind string) string {
	return fmt.Sprintf("`apiVersion: %s`, `kind: %s`. Unknown fields are rejected.", APIVersion, kind)
}

// writeTypes writes a table for every struct of a file.
func writeTypes(t *testing.T, page *strings.Builder, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		spec := general.Specs[0].(*ast.TypeSpec)
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		fmt.Fprintf(page, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", spec.Name.Name, oneLine(general.Doc))
		for _, field := range fields.Fields.List {
			if name := jsonName(field); name != "" {
				fmt.Fprintf(page, "| `%s` | %s | %s |\n", name, typeName(field.Type), oneLine(field.Doc))
			}
		}
	}
}

func jsonName(field *ast.Field) string {
	if field.Tag == nil {
		return ""
	}
	tag := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json")
	name, _, _ := strings.Cut(tag, ",")
	return name
}

func typeName(expression ast.Expr) string {
	switch typed := expression.(type) {
	case *ast.Ident:
		return typed.Name
	case *ast.StarExpr:
		return typeName(typed.X)
	case *ast.ArrayType:
		return "list of " + typeName(typed.Elt)
	case *ast.MapType:
		return "map"
	case *ast.SelectorExpr:
		return strings.ToLower(typed.Sel.Name)
	}
	return ""
}

func oneLine(comment *ast.CommentGroup) string {
	if comment == nil {
		return ""
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(comment.Text()), " "), "|", `\|`)
}
