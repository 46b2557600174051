// What Java's Properties.load makes of texts: for each line of input, a text in hex (UTF-8), one line of output. Either
// "error", or the pairs in hex as NAME=VALUE separated by blanks, in order of the names.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Properties;
import java.util.stream.Collectors;

public class PropertiesOracle {
    public static void main(String[] arguments) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            Properties properties = new Properties();
            try {
                properties.load(new StringReader(new String(HexFormat.of().parseHex(line), StandardCharsets.UTF_8)));
                System.out.println(properties.stringPropertyNames().stream()
                    .map(name -> hex(name) + "=" + hex(properties.getProperty(name)))
                    .sorted().collect(Collectors.joining(" ")));
            } catch (IllegalArgumentException error) {
                System.out.println("error");
            }
        }
    }

    static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }
}
