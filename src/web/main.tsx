import './style/index.css';
import { render } from 'preact';

render(<p>fieldwatch</p>, document.getElementById('app')!);
